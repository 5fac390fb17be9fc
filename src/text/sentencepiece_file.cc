#include "text/sentencepiece_file.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "text/added_token_files.h"
#include "text/charsmap.h"

namespace falconer {
namespace {

using nlohmann::json;
using Model = SentencePieceModel;
using Piece = SentencePieceModel::Piece;

constexpr const char* kMetaspace = "\u2581";
// The longest that SentencePiece learns has 16 characters. All places to cut a piece are looked at.
constexpr size_t kLongestPiece = 1024;
constexpr const char* kConvert =
    "load and save the tokenizer with transformers (AutoTokenizer.from_pretrained, "
    "save_pretrained), which writes a tokenizer.json, and copy that beside it";

/// The fields of one message of protocol buffers, in order.
class ProtoFields {
 public:
  explicit ProtoFields(std::string_view bytes) : rest_(bytes) {}

  /// Goes on to the next field; no, where there is none.
  bool next() {
    if (rest_.empty()) return false;
    const uint64_t key = varint();
    number_ = key >> 3;
    text_ = {};
    integer_ = 0;
    switch (key & 7) {
      case 0:
        integer_ = varint();
        return true;
      case 1:
        text_ = take(8);
        return true;
      case 2:
        text_ = take(varint());
        return true;
      case 5:
        text_ = take(4);
        return true;
      default:
        fail("it has a field of a kind ({}) that no SentencePiece model has", key & 7);
    }
  }
  uint64_t number() const { return number_; }
  uint64_t integer() const { return integer_; }
  bool flag() const { return integer_ != 0; }
  std::string_view text() const { return text_; }
  int32_t small() const { return static_cast<int32_t>(static_cast<uint32_t>(integer_)); }
  float real() const {
    uint32_t bits = 0;
    if (text_.size() != sizeof bits) fail("a score in it is no number of 4 bytes");
    for (size_t i = 0; i < sizeof bits; ++i)
      bits |= static_cast<uint32_t>(static_cast<unsigned char>(text_[i])) << (8 * i);
    return std::bit_cast<float>(bits);
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number in it has more than 64 bits");
  }
  std::string_view take(uint64_t count) {
    if (count > rest_.size()) fail("it breaks off");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_, text_;
  uint64_t number_ = 0, integer_ = 0;
};

Piece read_piece(std::string_view bytes, size_t id) {
  Piece piece;
  for (ProtoFields field(bytes); field.next();) {
    if (field.number() == 1) piece.text = field.text();
    if (field.number() == 2) piece.score = field.real();
    if (field.number() == 3) piece.type = field.integer();
  }
  if (piece.text.empty() || piece.text.size() > kLongestPiece)
    fail("its piece {} has {} bytes; expected 1 to {}", id, piece.text.size(), kLongestPiece);
  if (valid_utf8_prefix(piece.text) < piece.text.size()) fail("its piece {} is no UTF-8", id);
  if (!std::isfinite(piece.score)) fail("its piece {} has a score that is no number", id);
  return piece;
}

void read_trainer(std::string_view bytes, Model& model) {
  for (ProtoFields field(bytes); field.next();) switch (field.number()) {
      case 3:
        model.kind = field.integer();
        break;
      case 35:
        model.byte_fallback = field.flag();
        break;
      case 40:
        model.unk = field.small();
        break;
      case 41:
        model.bos = field.small();
        break;
      case 42:
        model.eos = field.small();
        break;
      case 45:
        model.unk_piece = to_valid_utf8(field.text());
        break;
      case 46:
        model.bos_piece = to_valid_utf8(field.text());
        break;
      case 47:
        model.eos_piece = to_valid_utf8(field.text());
        break;
      default:
        break;
    }
}

void read_normalizer(std::string_view bytes, Model& model) {
  for (ProtoFields field(bytes); field.next();) {
    if (field.number() == 2) model.charsmap = field.text();
    if (field.number() == 3) model.add_dummy_prefix = field.flag();
    if (field.number() == 4) model.remove_extra_whitespaces = field.flag();
    if (field.number() == 5) model.escape_whitespaces = field.flag();
  }
}

json step(const char* type, const json& more) {
  json made = {{"type", type}};
  made.update(more);
  return made;
}
json replace_text_step(const char* from, const char* to) {
  return step("Replace", {{"pattern", {{"String", from}}}, {"content", to}});
}
json replace_regex_step(const char* from, const char* to) {
  return step("Replace", {{"pattern", {{"Regex", from}}}, {"content", to}});
}
json metaspace_step(bool first) {
  return step("Metaspace", {{"replacement", kMetaspace},
                            {"prepend_scheme", first ? "first" : "always"},
                            {"split", false}});
}

/// Every pair of the pieces in `order` that makes a third of them, in the order of what they make.
json merges_in_order(const Model& model, const std::vector<size_t>& order) {
  std::unordered_map<std::string_view, size_t> known;
  for (const size_t id : order) known.emplace(model.pieces[id].text, id);
  json merges = json::array();
  for (const size_t id : order) {
    const std::string_view text = model.pieces[id].text;
    for (size_t at = decode_utf8(text, 0).length; at < text.size();
         at += decode_utf8(text, at).length)
      if (known.contains(text.substr(0, at)) && known.contains(text.substr(at)))
        merges.push_back({text.substr(0, at), text.substr(at)});
  }
  return merges;
}

/// The longest first, so that an expression finds it before those that it begins with.
std::string any_of_texts(std::vector<std::string> texts) {
  const auto characters = [](const std::string& text) {
    return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
  };
  std::stable_sort(texts.begin(), texts.end(),
                   [&](const auto& a, const auto& b) { return characters(a) > characters(b); });
  std::string pattern;
  for (const std::string& text : texts) {
    if (!pattern.empty()) pattern += '|';
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x80 && !std::isalnum(static_cast<unsigned char>(c)) &&
          c != '_')
        pattern += '\\';
      pattern += c;
    }
  }
  return pattern;
}

/// One tokenizer.json of a model and of the files beside it.
class Conversion {
 public:
  Conversion(const Model& model, const std::map<std::string, std::string>& files)
      : model_(model), config_(json_object_or_empty(files, "tokenizer_config.json")) {
    for (size_t id = 0; id < model.pieces.size(); ++id)
      if (!vocab_.emplace(model.pieces[id].text, id).second)
        fail("its piece \"{}\" is there twice", model.pieces[id].text);
    llama_ = read_class() && model.kind == Model::kBpe;
    legacy_ = config_.value("legacy", json(!llama_)) == true;
    refuse_renamed();
    AddedTokenFiles::Names usual = {"<s>", "</s>", "<unk>"};
    if (!llama_)
      usual = {model.bos < 0 ? "" : model.bos_piece, model.eos < 0 ? "" : model.eos_piece,
               model.unk < 0 ? "" : model.unk_piece};
    const AddedTokenFiles added(files, vocab_, config_, own_added(), usual);
    names_ = added.names();
    made_ = {{"version", "1.0"},
             {"added_tokens", added.sorted()},
             {"post_processor", added.post_processor().value_or(json())}};
    // In transformers each text between added tokens is one of its own.
    if (!llama_ && model.add_dummy_prefix)
      for (json& token : made_["added_tokens"]) token["normalized"] = false;
    if (!config_.contains("add_bos_token") && model.bos >= 0)
      log_warning(
          "tokenizer.model: no add_bos_token in tokenizer_config.json says whether a text begins "
          "with {}; without, as with transformers",
          model.bos_piece);
  }

  MadeTokenizer made() {
    if (llama_)
      as_llama();
    else
      by_its_own_settings();
    return {std::move(made_), std::move(names_), true};
  }

 private:
  /// Whether transformers takes it for LLaMA's, whatever its own settings are.
  bool read_class() const {
    std::string name = config_.value("tokenizer_class", "");
    if (name.ends_with("Fast")) name.resize(name.size() - 4);
    if (name == "LlamaTokenizer") return true;
    if (!name.empty() && name != "PreTrainedTokenizer" && name != "TokenizersBackend")
      fail(
          "tokenizer.model is that of a {}; without tokenizer.json Falconer reads those of a "
          "LlamaTokenizer, or of no class: {}",
          name, kConvert);
    return false;
  }

  void refuse_renamed() const {
    const json decoder = config_.value("added_tokens_decoder", json::object());
    if (decoder.empty()) return;
    for (size_t id = 0; id < model_.pieces.size(); ++id) {
      const auto named = decoder.find(std::to_string(id));
      const std::string& text = model_.pieces[id].text;
      if (named != decoder.end() && named->value("content", "") != text)
        fail("tokenizer_config.json calls the token {} \"{}\", and tokenizer.model \"{}\"; {}", id,
             named->value("content", ""), text, kConvert);
    }
  }

  /// Control pieces and those that users defined are looked for in the text before anything else; by its own settings
  /// the latter are not.
  std::vector<json> own_added() const {
    std::vector<json> own;
    for (const Piece& piece : model_.pieces)
      if (piece.type == Model::kControl || (piece.type == Model::kUserDefined && llama_))
        own.push_back({{"content", piece.text},
                       {"special", piece.type == Model::kControl},
                       {"normalized", false}});
    return own;
  }

  void as_llama() {
    const bool prefix = config_.value("add_prefix_space", json(true)) != false;
    std::vector<size_t> order(model_.pieces.size());
    for (size_t id = 0; id < order.size(); ++id) order[id] = id;
    made_["model"] = {{"type", "BPE"},          {"vocab", vocab_},
                      {"fuse_unk", true},       {"byte_fallback", true},
                      {"ignore_merges", false}, {"merges", merges_in_order(model_, order)}};
    made_["normalizer"] = nullptr;
    made_["pre_tokenizer"] = metaspace_step(!legacy_);
    if (!prefix) made_["pre_tokenizer"]["prepend_scheme"] = "never";
    json steps = json::array({replace_text_step(kMetaspace, " "),
                              step("ByteFallback", json::object()), step("Fuse", json::object())});
    if (prefix) steps.push_back(step("Strip", {{"content", " "}, {"start", 1}, {"stop", 0}}));
    made_["decoder"] = step("Sequence", {{"decoders", steps}});
  }

  void by_its_own_settings() {
    std::vector<std::string> defined;
    for (const Piece& piece : model_.pieces)
      if (piece.type == Model::kUserDefined) defined.push_back(piece.text);
    made_["model"] = model_.kind == Model::kBpe ? bpe(!defined.empty()) : unigram();
    made_["normalizer"] = step("Sequence", {{"normalizers", normalizers()}});
    json cuts = json::array();
    if (model_.add_dummy_prefix) cuts.push_back(metaspace_step(!legacy_));
    if (!defined.empty())
      cuts.push_back(step("Split", {{"pattern", {{"Regex", any_of_texts(std::move(defined))}}},
                                    {"behavior", "Isolated"},
                                    {"invert", false}}));
    made_["pre_tokenizer"] = cuts.empty() ? json() : step("Sequence", {{"pretokenizers", cuts}});
    json steps = json::array({replace_text_step(kMetaspace, " ")});
    if (model_.byte_fallback) steps.push_back(step("ByteFallback", json::object()));
    if (model_.byte_fallback || model_.add_dummy_prefix)
      steps.push_back(step("Fuse", json::object()));
    if (model_.add_dummy_prefix)
      steps.push_back(step("Strip", {{"content", " "}, {"start", 1}, {"stop", 0}}));
    made_["decoder"] = step("Sequence", {{"decoders", steps}});
  }

  json bpe(bool whole) const {
    std::vector<size_t> order;  // the best score first
    for (size_t id = 0; id < model_.pieces.size(); ++id)
      if (model_.pieces[id].type == Model::kNormal) order.push_back(id);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return model_.pieces[a].score > model_.pieces[b].score;
    });
    return {{"type", "BPE"},
            {"vocab", vocab_},
            {"unk_token", model_.unk_piece},
            {"fuse_unk", true},
            {"byte_fallback", model_.byte_fallback},
            {"ignore_merges", whole},
            {"merges", merges_in_order(model_, order)}};
  }

  json unigram() const {
    json vocab = json::array();
    for (const Piece& piece : model_.pieces)
      vocab.push_back({piece.text, static_cast<double>(piece.score)});
    return {{"type", "Unigram"},
            {"vocab", std::move(vocab)},
            {"unk_id", model_.unk < 0 ? json() : json(model_.unk)},
            {"byte_fallback", model_.byte_fallback}};
  }

  json normalizers() const {
    json steps = json::array();
    if (!model_.charsmap.empty())
      steps.push_back(step("Precompiled", {{"precompiled_charsmap", to_base64(model_.charsmap)}}));
    if (model_.remove_extra_whitespaces) {
      steps.push_back(replace_regex_step(R"(\A +| +\z)", ""));
      steps.push_back(replace_regex_step(" {2,}", " "));
    }
    if (model_.escape_whitespaces) steps.push_back(replace_text_step(" ", kMetaspace));
    // Metaspace puts nothing before a text that begins with such a character; SentencePiece does.
    if (model_.add_dummy_prefix && legacy_)
      steps.push_back(replace_regex_step("\\A\u2581", "\u2581\u2581"));
    return steps;
  }

  const Model& model_;
  json config_, vocab_ = json::object(), made_;
  std::map<std::string, std::string> names_;
  bool llama_ = false, legacy_ = true;
};

}  // namespace

SentencePieceModel parse_sentencepiece(std::string_view bytes) {
  if (!bytes.starts_with('\n'))  // the key of its first piece
    fail("it is no SentencePiece model (LLaMA 3's file of that name is tiktoken's); {}", kConvert);
  Model model;
  for (ProtoFields field(bytes); field.next();) {
    if (field.number() == 1) model.pieces.push_back(read_piece(field.text(), model.pieces.size()));
    if (field.number() == 2) read_trainer(field.text(), model);
    if (field.number() == 3) read_normalizer(field.text(), model);
  }
  if (model.kind != Model::kUnigram && model.kind != Model::kBpe)
    fail("it is a SentencePiece model of kind {}; Falconer reads BPE and Unigram", model.kind);
  return model;
}

MadeTokenizer tokenizer_json_of_sentencepiece(const std::map<std::string, std::string>& files) {
  const Model model = parse_sentencepiece(files.at("tokenizer.model"));
  return Conversion(model, files).made();
}

}  // namespace falconer
