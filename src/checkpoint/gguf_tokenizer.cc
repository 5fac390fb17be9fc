#include "checkpoint/gguf_tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/joined.h"
#include "base/json_file.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/path.h"
#include "checkpoint/gguf_cuts.h"
#include "checkpoint/gguf_pieces.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// llama.cpp's types of tokens.
enum TokenType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

json parse(const SideFiles& files, const char* name, const std::string& where) {
  const auto found = files.find(name);
  if (found == files.end()) return json::object();
  return parse_json_object(found->second, where + ": " + name);
}

/// A token's text: itself, or its "content".
std::string token_text(const json& config, const char* key) {
  const json token = config.value(key, json());
  if (token.is_string()) return token.get<std::string>();
  return token.is_object() ? token.value("content", "") : "";
}

/// "tokens", "token_type", "merges" or "scores" out of a tokenizer.json.
class Vocabulary {
 public:
  Vocabulary(const json& file, int64_t size, std::string where)
      : where_(std::move(where)),
        tokens_(static_cast<size_t>(size)),
        types_(static_cast<size_t>(size), kUnused) {
    const json& model = file.at("model");
    pieces_ = has_pieces(model);
    check_model(file, model);
    const std::string unknown = token_text(model, "unk_token");
    for (const auto& [token, id] : model.at("vocab").items())
      set(whole_number(id, token, kAnyWhole, where_), token,
          !pieces_               ? kNormal
          : token == unknown     ? kUnknown
          : is_byte_piece(token) ? kByte
                                 : kNormal);
    for (const json& token : file.value("added_tokens", json::array()))
      set(whole_number(token.at("id"), "id", kAnyWhole, where_),
          token.at("content").get<std::string>(),
          pieces_ && token.at("content") == unknown ? kUnknown
          : token.value("special", false)           ? kControl
                                                    : kUserDefined);
    for (size_t i = 0; i < tokens_.size(); ++i)
      if (types_[i] == kUnused) tokens_[i] = fmt::format("[PAD{}]", i);
    if (pieces_)
      scores_ = piece_scores(model, tokens_, where_);
    else
      for (const json& merge : model.at("merges")) merges_.push_back(merge_text(merge));
  }

  void add_to(GgufMetadata& metadata) const {
    metadata.add("tokenizer.ggml.tokens", tokens_);
    metadata.add("tokenizer.ggml.token_type", types_);
    if (pieces_)
      metadata.add("tokenizer.ggml.scores", scores_);
    else
      metadata.add("tokenizer.ggml.merges", merges_);
  }

  std::optional<int32_t> find(const std::string& token) const {
    for (size_t i = 0; i < tokens_.size(); ++i)
      if (types_[i] != kUnused && tokens_[i] == token) return static_cast<int32_t>(i);
    return {};
  }

 private:
  void check_model(const json& file, const json& model) const {
    if (model.value("type", "BPE") != "BPE")
      fail(
          "{}: its tokenizer is of the kind {}; BPE, of bytes or of SentencePiece's pieces with "
          "bytes beside, can be exported",
          where_, printable(model.value("type", "")));
    if (pieces_) return;
    if (file.contains("normalizer") && !file["normalizer"].is_null())
      log_warning(
          "{}: its tokenizer normalises text first, and llama.cpp does not: text that is not "
          "normalised gives other tokens there",
          where_);
  }

  void set(int64_t id, const std::string& token, int32_t type) {
    if (id < 0 || id >= std::ssize(tokens_))
      fail("{}: its token \"{}\" has the id {}, and the model has {} rows for tokens", where_,
           printable(token), id, tokens_.size());
    tokens_[static_cast<size_t>(id)] = token;
    types_[static_cast<size_t>(id)] = type;
  }

  /// "a b", or since 2024 ["a", "b"].
  std::string merge_text(const json& merge) const {
    if (merge.is_string()) return merge.get<std::string>();
    const auto left = merge.at(0).get<std::string>(), right = merge.at(1).get<std::string>();
    if (left.find(' ') != left.npos || right.find(' ') != right.npos)
      fail("{}: its tokenizer merges a token with a space in it, which no GGUF can say", where_);
    return left + " " + right;
  }

  std::string where_;
  std::vector<std::string> tokens_;
  std::vector<int32_t> types_;
  std::vector<std::string> merges_;
  bool pieces_ = false;
  std::vector<float> scores_;
};

/// Whether the post-processor puts this token around every text. Error: it does something else.
struct Around {
  bool bos = false, eos = false;
};
Around tokens_around(const json& processor, const std::string& bos, const std::string& eos,
                     const std::string& where) {
  Around around;
  if (!processor.is_object()) return around;
  const auto type = processor.value("type", "");
  if (type == "Sequence")
    for (const json& step : processor.value("processors", json::array())) {
      const Around inner = tokens_around(step, bos, eos, where);
      around = {around.bos || inner.bos, around.eos || inner.eos};
    }
  if (type != "TemplateProcessing") return around;
  bool behind = false;
  for (const json& piece : processor.value("single", json::array())) {
    if (!piece.contains("SpecialToken")) {
      behind = true;
      continue;
    }
    const std::string token = piece["SpecialToken"].value("id", "");
    if (token != (behind ? eos : bos) || token.empty())
      fail("{}: its tokenizer puts \"{}\" around a text, which no GGUF can say", where,
           printable(token));
    (behind ? around.eos : around.bos) = true;
  }
  return around;
}

std::string chat_template(const SideFiles& files, const json& config) {
  if (const auto found = files.find("chat_template.jinja"); found != files.end())
    return found->second;
  const json value = config.value("chat_template", json());
  return value.is_string() ? value.get<std::string>() : "";
}

/// A GGUF's places for tokens that end a generation. llama.cpp stops at each of them.
constexpr const char* kEnds[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                 "tokenizer.ggml.eom_token_id"};

void add_ends(std::vector<int32_t> ends, const std::string& where, GgufMetadata& metadata) {
  for (size_t i = 0; i < std::min(ends.size(), std::size(kEnds)); ++i)
    metadata.add(kEnds[i], static_cast<uint32_t>(ends[i]));
  if (ends.size() <= std::size(kEnds)) return;
  ends.erase(ends.begin(), ends.begin() + std::ssize(kEnds));
  log_warning(
      "{}: generation ends at more tokens than a GGUF has places for: there the ids {} will not "
      "end "
      "it",
      where, joined(ends, ", "));
}

void add_tokenizer(const SideFiles& files, const std::string& where,
                   const GgufTokenizerOptions& options, GgufMetadata& metadata) {
  const json file = parse(files, "tokenizer.json", where);
  const json config = parse(files, "tokenizer_config.json", where);
  const json& model = file.at("model");
  if (has_pieces(model)) {
    metadata.add("tokenizer.ggml.model", "llama");
    metadata.add("tokenizer.ggml.pre", "default");
    metadata.add("tokenizer.ggml.add_space_prefix", space_before(file, where));
  } else {
    metadata.add("tokenizer.ggml.model", "gpt2");
    metadata.add("tokenizer.ggml.pre", gguf_cut_name(file, where, options.cut));
  }
  const Vocabulary vocabulary(file, options.vocab, where);
  vocabulary.add_to(metadata);
  const auto add_id = [&](const char* key, const std::string& token, std::optional<int32_t> id) {
    if (!token.empty()) id = vocabulary.find(token);
    if (id)
      metadata.add(fmt::format("tokenizer.ggml.{}_token_id", key), static_cast<uint32_t>(*id));
  };
  std::vector<int32_t> ends = options.ends;
  std::string bos = token_text(config, "bos_token"), eos = token_text(config, "eos_token");
  add_id("bos", bos, options.bos_id);
  if (const auto id = vocabulary.find(eos); !eos.empty() && id) {
    std::erase(ends, *id);
    ends.insert(ends.begin(), *id);
  }
  add_ends(std::move(ends), where, metadata);
  add_id("unknown", token_text(config, "unk_token"), {});
  add_id("padding", token_text(config, "pad_token"), {});
  const Around around = tokens_around(file.value("post_processor", json()), bos, eos, where);
  metadata.add("tokenizer.ggml.add_bos_token", around.bos);
  metadata.add("tokenizer.ggml.add_eos_token", around.eos);
  if (const std::string chat = chat_template(files, config); !chat.empty())
    metadata.add("tokenizer.chat_template", chat);
}

}  // namespace

SideFiles side_files(const fs::path& model) {
  if (is_gguf(model)) {
    const Gguf gguf = Gguf::open(model);
    return gguf.find("tokenizer.ggml.tokens") == nullptr ? SideFiles{} : tokenizer_from_gguf(gguf);
  }
  SideFiles files;
  for (const char* name : kSideFiles)
    if (is_there(model / name)) files[name] = read_text_file(model / name, size_t{1} << 28);
  return files;
}

void add_gguf_tokenizer(const SideFiles& files, const std::string& where,
                        const GgufTokenizerOptions& options, GgufMetadata& metadata) {
  if (!files.contains("tokenizer.json"))
    fail(
        "{}: has no tokenizer.json, and a GGUF holds the tokenizer; copy the one of the model that "
        "this checkpoint comes from",
        where);
  try {
    add_tokenizer(files, where, options, metadata);
  } catch (const json::exception& error) {
    fail("{}: its tokenizer: {}", where, json_reason(error));
  }
}

namespace {

void add_special(const Gguf& gguf, const char* key, const char* name, json& config) {
  const auto tokens = gguf.texts("tokenizer.ggml.tokens");
  const GgufValue* id = gguf.find(fmt::format("tokenizer.ggml.{}_token_id", key));
  if (id == nullptr) return;
  if (!id->whole() || id->integer < -1 || id->integer >= std::ssize(tokens))
    fail("{}: its {} is token {}, of {}", gguf.path().string(), name,
         id->whole() ? fmt::format("{}", id->integer) : "that is no whole number", tokens.size());
  if (id->integer == -1) return;  // there is none
  config[name] = tokens[static_cast<size_t>(id->integer)];
}

/// Of what the key does not say, llama.cpp puts a beginning before SentencePiece's texts, and before those of
/// tokenizers like LLaMA 3's.
bool flag(const Gguf& gguf, const char* key) {
  const GgufValue* value = gguf.find(key);
  if (value == nullptr) {
    if (key != std::string_view("tokenizer.ggml.add_bos_token")) return false;
    return gguf.text("tokenizer.ggml.model") == "llama" || gguf_cut(gguf).ignore_merges;
  }
  return value->kind == GgufKind::kBool && value->integer != 0;
}

/// TemplateProcessing with a token before or behind, or null.
json post_processor(const Gguf& gguf, const json& config) {
  json single = json::array(), tokens = json::object();
  const auto add = [&](const char* key, const char* name) {
    if (!flag(gguf, key) || !config.contains(name)) return;
    const auto text = config[name].get<std::string>();
    const int64_t id =
        gguf.integer(fmt::format("tokenizer.ggml.{}_id", name));  // "bos_token" -> "bos_token_id"
    single.push_back({{"SpecialToken", {{"id", text}, {"type_id", 0}}}});
    tokens[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
  };
  add("tokenizer.ggml.add_bos_token", "bos_token");
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  add("tokenizer.ggml.add_eos_token", "eos_token");
  if (tokens.empty()) return nullptr;
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", json::array()},
          {"special_tokens", tokens}};
}

/// "vocab" of the model and "added_tokens", from tokens and their types.
void read_tokens(const Gguf& gguf, json& vocab, json& added) {
  const auto tokens = gguf.texts("tokenizer.ggml.tokens");
  const GgufValue* types = gguf.find("tokenizer.ggml.token_type");
  if (types != nullptr && !types->whole_list())
    fail("{}: \"tokenizer.ggml.token_type\" is not a list of whole numbers", gguf.path().string());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int64_t type =
        types != nullptr && i < types->count ? types->integer_at(i) : static_cast<int64_t>(kNormal);
    if (type == kUnused) continue;
    const std::string token(tokens[i]);
    if (!vocab.emplace(token, i).second)
      fail("{}: has the token \"{}\" twice", gguf.path().string(), printable(token));
    if (type != kControl && type != kUserDefined) continue;
    added.push_back({{"id", i},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", type == kControl}});
  }
}

constexpr std::pair<const char*, const char*> kKinds[] = {
    {"bos", "bos_token"}, {"eos", "eos_token"}, {"unknown", "unk_token"}, {"padding", "pad_token"}};

json special_tokens(const Gguf& gguf) {
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
  for (const auto& [key, name] : kKinds) add_special(gguf, key, name, config);
  if (const auto chat = gguf.text("tokenizer.chat_template", ""); !chat.empty())
    config["chat_template"] = chat;
  return config;
}

}  // namespace

std::optional<int32_t> token_id_in_gguf(const Gguf& gguf, std::string_view key) {
  const int64_t id = gguf.integer(key, -1, {-1, INT32_MAX});
  return id < 0 ? std::nullopt : std::optional(static_cast<int32_t>(id));
}

std::vector<int32_t> ends_in_gguf(const Gguf& gguf) {
  std::vector<int32_t> ends;
  for (const char* key : kEnds)
    if (const auto id = token_id_in_gguf(gguf, key)) ends.push_back(*id);
  return ends;
}

namespace {

/// Byte-level BPE.
json tokenizer_of_bytes(const Gguf& gguf) {
  const GgufCut& cut = gguf_cut(gguf);
  json model = {{"type", "BPE"}, {"vocab", json::object()}, {"merges", json::array()}};
  if (cut.ignore_merges) model["ignore_merges"] = true;
  for (const std::string_view merge : gguf.texts("tokenizer.ggml.merges"))
    model["merges"].push_back(merge);
  return {{"normalizer", nullptr},
          {"pre_tokenizer", json::parse(cut.spelling)},
          {"decoder",
           {{"type", "ByteLevel"},
            {"add_prefix_space", true},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"model", model}};
}

}  // namespace

SideFiles tokenizer_from_gguf(const Gguf& gguf) {
  const auto kind = gguf.text("tokenizer.ggml.model");
  if (kind != "gpt2" && kind != "llama")
    fail(
        "{}: its tokenizer is of the kind \"{}\"; BPE of bytes, \"gpt2\", and of SentencePiece's "
        "pieces, \"llama\", can be read",
        gguf.path().string(), printable(kind));
  const json config = special_tokens(gguf);
  json file = kind == "gpt2" ? tokenizer_of_bytes(gguf) : tokenizer_of_pieces(gguf);
  file["version"] = "1.0";
  file["truncation"] = file["padding"] = nullptr;
  file["added_tokens"] = json::array();
  file["post_processor"] = post_processor(gguf, config);
  read_tokens(gguf, file["model"]["vocab"], file["added_tokens"]);
  const auto text = [](const json& value) { return json_text(value, 1) + "\n"; };
  return {{"tokenizer.json", text(file)}, {"tokenizer_config.json", text(config)}};
}

}  // namespace falconer
