#include "text/tokenizer.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/json_number.h"
#include "base/log.h"
#include "base/path.h"
#include "text/added_tokens.h"
#include "text/byte_alphabet.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"
#include "text/subword_model.h"
#include "text/token_additions.h"
#include "text/token_decoder.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"
#include "text/vocabulary.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

using Files = TokenizerFiles;

}  // namespace

struct Tokenizer::Impl {
  Impl(const json& file, std::vector<AddedToken> tokens)
      : added(std::move(tokens)),
        normalizer(Normalizer::from_json(file.value("normalizer", json()))),
        pre_tokenizer(read_pre_tokenizer(file.value("pre_tokenizer", json()), normalizer)),
        vocabulary(read_vocabulary(file, added, pre_tokenizer.bytes())),
        before(added_tokens_of(added, false)),
        after(normalized_tokens(added, normalizer)),
        model(read_model(file.at("model"), vocabulary, pre_tokenizer.bytes())),
        decoder(read_decoder(file.value("decoder", json()), pre_tokenizer.bytes())),
        post_processor(PostProcessor::from_json(file.value("post_processor", json()))) {
    for (const auto& token : added) {
      by_content.emplace(token.content, token.id);
      if (!token.normalized || normalizer.empty()) continue;
      std::string normal = normalizer.apply(to_valid_utf8(token.content));
      if (normal != token.content)
        respelled[token.id] = token_bytes_of(normal, pre_tokenizer.bytes());
    }
    for (const auto& token : added) {
      if (token.special) special.push_back(token.id);
    }
    std::sort(special.begin(), special.end());
    for (const int32_t id : post_processor.apply({}))
      if (!vocabulary.has(id))
        fail("its post_processor adds the token {}, which the vocabulary lacks", id);
  }

  /// `start` is where the text that it is of begins; null where it is of another part.
  void encode_text(std::string_view text, const char* start, std::vector<int32_t>& ids) const {
    thread_local TextPieces pieces;
    pieces.added.clear();
    pieces.start = start;
    pre_tokenizer.split(text, pieces);
    model->encode(pieces.pieces, ids);
  }

  /// Tokens that are looked for before normalization come first, then those after it.
  std::vector<int32_t> encode(std::string_view text, bool with_special) const {
    std::vector<int32_t> ids;
    ids.reserve(text.size() / 3 + 4);
    std::string mended;
    if (valid_utf8_prefix(text) < text.size()) text = mended = to_valid_utf8(text);
    append(
        text, [&](size_t, size_t) { return with_special; }, ids);
    return ids;
  }

  /// `counts` is asked about places in `text`, which is valid UTF-8.
  void append(std::string_view text, const AddedTokenFinder::SpecialCounts& counts,
              std::vector<int32_t>& ids) const {
    // By reference: a std::function of what captures more than two words is allocated.
    const auto push = [&](int32_t id, size_t) { ids.push_back(id); };
    const char* start = text.data();
    const auto on_text = [&](std::string_view piece) { encode_text(piece, start, ids); };
    const auto on_part = [&](std::string_view part) {
      const size_t at = static_cast<size_t>(part.data() - text.data());
      if (normalizer.empty()) {
        const auto within = [&](size_t begin, size_t end) { return counts(at + begin, at + end); };
        return after.cut(part, std::cref(within), std::cref(on_text), std::cref(push));
      }
      // Normalization moves what follows, so that a part is data as soon as a byte of it is.
      const bool all = counts(at, at + part.size());
      const std::string normal = normalizer.apply(std::string(part));
      start = at == 0 ? normal.data() : nullptr;
      after.cut(
          normal, [all](size_t, size_t) { return all; }, std::cref(on_text), std::cref(push));
    };
    before.cut(text, counts, std::cref(on_part), std::cref(push));
  }

  std::vector<AddedToken> added;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  Vocabulary vocabulary;
  AddedTokenFinder before, after;  // normalization
  std::unique_ptr<const SubwordModel> model;
  TokenDecoder decoder;  // of characters
  PostProcessor post_processor;
  std::unordered_map<std::string, int32_t> by_content;
  // Added tokens that are looked for in normalized text are read back so, as in `tokenizers`.
  std::unordered_map<int32_t, std::string> respelled;
  std::vector<int32_t> special;  // sorted
  std::optional<int32_t> eos, bos;
  std::map<std::string, std::string> special_names;

  std::optional<int32_t> find(const std::string& token) const {
    if (const auto it = by_content.find(token); it != by_content.end()) return it->second;
    const int32_t id = vocabulary.find(token_bytes_of(token, pre_tokenizer.bytes()));
    return id < 0 ? std::nullopt : std::optional(id);
  }

  /// What a token adds to a decoded text, before the decoder. Error: there is no such token.
  std::string_view decoded(int32_t id) const {
    if (!vocabulary.has(id))
      fail("token id {} is not in the vocabulary, whose ids are 0 to {}", id,
           vocabulary.size() - 1);
    const auto found = respelled.find(id);
    return found == respelled.end() ? vocabulary.bytes(id) : found->second;
  }

  bool is_added(int32_t id) const {
    return std::any_of(added.begin(), added.end(),
                       [&](const auto& token) { return token.id == id; });
  }

  /// transformers 4 let add_bos_token count for LLaMA's class where tokenizer.json puts nothing before a text;
  /// transformers 5 does not.
  void name_left_out(const Files& files, const std::string& where) const {
    const json settings = parse_optional_file(files, "tokenizer_config.json");
    if (settings.is_object() && settings.value("add_bos_token", json()) == true && bos &&
        files.contains("tokenizer.json") && post_processor.before().empty())
      log_warning(
          "{}: puts no {} before a text, though tokenizer_config.json has add_bos_token; "
          "tokenizer.json counts, as with transformers 5",
          where,
          printable(special_names.contains("bos_token") ? special_names.at("bos_token")
                                                        : "bos_token"));
  }

  /// tokenizer_config.json names a token, or an object with its content; the other two files have
  /// its id, or several. `usual` are names that count where tokenizer_config.json has none.
  void read_special_ids(const Files& files, const std::map<std::string, std::string>& usual) {
    const json names = parse_optional_file(files, "tokenizer_config.json");
    const json generation = parse_optional_file(files, "generation_config.json");
    Files settings;
    if (const auto found = files.find("config.json"); found != files.end())
      settings["config.json"] = without_bare_numbers(found->second);
    const json config = parse_optional_file(settings, "config.json");
    const auto one = [&](const std::string& kind) -> std::optional<int32_t> {
      const auto name =
          token_name(names.is_object() ? names.value(kind + "_token", json()) : json());
      if (name) return find(*name);
      if (const auto known = usual.find(kind + "_token"); known != usual.end())
        if (const auto id = find(known->second)) return id;
      for (const json* file : {&generation, &config}) {
        json id = file->is_object() ? file->value(kind + "_token_id", json()) : json();
        if (id.is_array() && !id.empty()) id = id[0];
        if (id.is_null() || (id.is_array() && id.empty())) continue;
        const int64_t whole = whole_number(id, kind + "_token_id", {-1, INT32_MAX});
        if (whole >= 0 && vocabulary.has(static_cast<int32_t>(whole)))
          return static_cast<int32_t>(whole);
      }
      return std::nullopt;
    };
    eos = one("eos");
    bos = one("bos");
    for (const json& file : {names, parse_optional_file(files, "special_tokens_map.json")})
      for (const char* kind : kTokenKinds) {
        const std::string key = std::string(kind) + "_token";
        auto name = token_name(file.is_object() ? file.value(key, json()) : json());
        if (name) special_names.try_emplace(key, *std::move(name));
      }
    special_names.insert(usual.begin(), usual.end());
  }
};

bool Tokenizer::is_in(const fs::path& folder) {
  return are_of_tokenizer([&](const char* name) { return is_there(folder / name); });
}

Tokenizer Tokenizer::load(const fs::path& folder) {
  if (!is_in(folder))
    fail(
        "{} has no tokenizer.json, nor vocab.json and merges.txt, nor tokenizer.model; copy those "
        "of "
        "the model that this checkpoint comes from",
        folder.string());
  Files files;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                           "generation_config.json", "config.json", "vocab.json", "merges.txt",
                           "added_tokens.json", "tokenizer.model"})
    if (is_there(folder / name)) files[name] = read_text_file(folder / name, size_t{1} << 28);
  return parse(files, (folder / main_file_of(files)).string());
}

Tokenizer Tokenizer::parse(const Files& files, const std::string& where) {
  try {
    const MadeTokenizer made = read_tokenizer_json(files);
    const Files beside = made.has_all ? Files() : files;
    auto impl =
        std::make_unique<Impl>(made.file, read_added_tokens(made.file, beside, where).tokens);
    impl->read_special_ids(files, made.names);
    impl->name_left_out(files, where);
    return Tokenizer(std::move(impl));
  } catch (const json::exception& error) {
    fail("{}: not a tokenizer that Falconer can read: {}", where, json_reason(error));
  } catch (const Error& error) {
    fail("{}: {}", where, error.what());
  }
}

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  return impl_->post_processor.apply(impl_->encode(text, true));
}

std::vector<int32_t> Tokenizer::encode_as_data(std::string_view text) const {
  return impl_->encode(text, false);
}

void Tokenizer::append_marked(const MarkedText& text, bool parse_special,
                              std::vector<int32_t>& ids) const {
  ids.reserve(ids.size() + text.size() / 3 + 4);
  if (valid_utf8_prefix(text.text()) < text.size()) {  // places in it would not hold
    const std::vector<int32_t> mended =
        impl_->encode(text.text(), parse_special || text.is_template(0, text.size()));
    ids.insert(ids.end(), mended.begin(), mended.end());
    return;
  }
  impl_->append(
      text.text(),
      [&](size_t begin, size_t end) { return parse_special || text.is_template(begin, end); }, ids);
}

void Tokenizer::for_each_special(std::string_view text,
                                 const std::function<void(int32_t, size_t)>& found) const {
  const auto always = [](size_t, size_t) { return true; };
  const auto note = [&](int32_t id, size_t end) {
    if (is_special(id)) found(id, end);
  };
  impl_->before.cut(
      text, always,
      [&](std::string_view part) {
        const size_t at = static_cast<size_t>(part.data() - text.data());
        impl_->after.cut(
            part, always, [](std::string_view) {},
            [&](int32_t id, size_t end) { note(id, at + end); });
      },
      note);
}

size_t Tokenizer::end_of_last_special(std::string_view text) const {
  size_t last = 0;
  for_each_special(text, [&](int32_t, size_t end) { last = end; });
  return last;
}

std::vector<int32_t> Tokenizer::specials_in(std::string_view text) const {
  std::vector<int32_t> ids;
  for_each_special(text, [&](int32_t id, size_t) { ids.push_back(id); });
  return ids;
}

const std::vector<int32_t>& Tokenizer::ids_before() const { return impl_->post_processor.before(); }

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  if (!impl_->pre_tokenizer.bytes()) {
    StreamDecoder stream(*this, skip_special);
    std::string text;
    for (const int32_t id : ids) text += stream.push(id);
    return text + stream.finish();
  }
  std::string bytes;
  for (const int32_t id : ids)
    if (!(skip_special && is_special(id))) bytes += impl_->decoded(id);
  return to_valid_utf8(bytes);
}

std::string Tokenizer::token_bytes(int32_t id) const {
  static_cast<void>(impl_->decoded(id));  // the error
  const std::string_view bytes = impl_->vocabulary.bytes(id);
  if (impl_->pre_tokenizer.bytes() || impl_->is_added(id)) return std::string(bytes);
  return impl_->decoder.alone(bytes);
}

bool Tokenizer::prepends() const {
  return impl_->normalizer.prepends() || impl_->pre_tokenizer.prepends();
}

std::string Tokenizer::fingerprint() const {
  // Words, numbers, code, spaces, other scripts: what rules of merging and splitting differ in.
  constexpr std::string_view kText =
      "Don't we'll  merge 12345 tokens?\n\n\tfor (int i = 0; i < 10; ++i) {}\r\n"
      "Über naïve señor, Привет мир, 你好世界, こんにちは, 안녕, مرحبا, "
      "👩‍🚀 "
      "e\u0301";
  Digest hash = Digest::sha256();
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (!impl_->vocabulary.has(id)) continue;
    hash.update(&id, sizeof id);
    hash.update(impl_->vocabulary.bytes(id));
  }
  const std::vector<int32_t> ids = encode_as_data(kText);
  hash.update(std::span(ids));
  return hash.finish();
}

int32_t Tokenizer::vocab_size() const { return impl_->vocabulary.size(); }

bool Tokenizer::has(int32_t id) const { return impl_->vocabulary.has(id); }

std::optional<int32_t> Tokenizer::token_id(std::string_view token) const {
  return impl_->find(std::string(token));
}

bool Tokenizer::is_special(int32_t id) const {
  return std::binary_search(impl_->special.begin(), impl_->special.end(), id);
}

std::optional<int32_t> Tokenizer::eos_id() const { return impl_->eos; }
std::optional<int32_t> Tokenizer::bos_id() const { return impl_->bos; }

const std::map<std::string, std::string>& Tokenizer::special_names() const {
  return impl_->special_names;
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer), skip_special_(skip_special) {
  if (!tokenizer.impl_->pre_tokenizer.bytes())
    characters_ = std::make_shared<DecoderStream>(tokenizer.impl_->decoder);
}

std::string StreamDecoder::push(int32_t id) {
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  if (characters_ != nullptr) {
    return to_valid_utf8(characters_->push(tokenizer_->impl_->decoded(id)));
  }
  pending_ += tokenizer_->impl_->decoded(id);
  // Whatever cannot become a character any more goes out now; a beginning waits for its end.
  size_t ready = pending_.size();
  for (size_t back = 1; back <= 3 && back <= pending_.size(); ++back) {
    const size_t at = pending_.size() - back;
    if (incomplete_utf8(std::string_view(pending_).substr(at))) ready = at;
  }
  std::string text = to_valid_utf8(std::string_view(pending_).substr(0, ready));
  pending_.erase(0, ready);
  return text;
}

std::string StreamDecoder::finish() {
  if (characters_ != nullptr) return to_valid_utf8(characters_->finish());
  std::string text = to_valid_utf8(pending_);
  pending_.clear();
  return text;
}

}  // namespace falconer
