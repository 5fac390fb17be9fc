#include "checkpoint/gguf_pieces.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <unordered_map>

#include "base/error.h"

namespace falconer {
namespace {

using nlohmann::json;

constexpr const char* kSpace = "\u2581";

/// "a b", or since 2024 ["a", "b"]: what they make together.
std::string merged(const json& merge, const std::string& where) {
  if (merge.is_array()) return merge.at(0).get<std::string>() + merge.at(1).get<std::string>();
  std::string text = merge.get<std::string>();
  const size_t space = text.find(' ');
  if (space == text.npos) fail("{}: its merge \"{}\" is not of two tokens", where, printable(text));
  return text.erase(space, 1);
}

/// The steps of a Sequence, or the only one.
std::vector<json> steps_of(const json& step, const char* key) {
  if (!step.is_object()) return {};
  if (step.value("type", "") != "Sequence") return {step};
  std::vector<json> all;
  for (const json& inner : step.value(key, json::array()))
    for (json& one : steps_of(inner, key)) all.push_back(std::move(one));
  return all;
}

bool is_space_pattern(const json& step) {
  const json pattern = step.value("pattern", json::object());
  return pattern.is_object() && pattern.value("String", "") == " ";
}

[[noreturn]] void fail_step(const std::string& where, const json& step) {
  fail("{}: its tokenizer has the step \"{}\", which llama.cpp's SentencePiece does not have",
       where, printable(step.value("type", "")));
}

std::vector<float> scores_in(const Gguf& gguf, size_t count) {
  const GgufValue* value = gguf.find("tokenizer.ggml.scores");
  if (value == nullptr || value->kind != GgufKind::kArray || value->element != GgufKind::kF32 ||
      value->count != count)
    fail("{}: \"tokenizer.ggml.scores\" is not a list of a number for each of its {} tokens",
         gguf.path().string(), count);
  std::vector<float> scores(count);
  std::memcpy(scores.data(), value->bytes.data(), count * sizeof(float));
  return scores;
}

/// A piece's two parts, and how long they are in characters.
struct Merge {
  float score;
  int64_t left, right;
  std::string_view token;
  size_t at;
};

int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

/// All pairs of pieces that make a piece, in the order of its score: as transformers' converter has them.
json merges_of(const Gguf& gguf, std::span<const std::string_view> tokens) {
  const std::vector<float> scores = scores_in(gguf, tokens.size());
  const GgufValue* types = gguf.find("tokenizer.ggml.token_type");
  std::unordered_map<std::string_view, size_t> ids;  // of what can be merged
  for (size_t i = 0; i < tokens.size(); ++i)
    if (types == nullptr || !types->whole_list() || i >= types->count || types->integer_at(i) == 1)
      ids.emplace(tokens[i], i);
  std::vector<Merge> merges;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    if (const auto own = ids.find(token); own == ids.end() || own->second != i) continue;
    for (size_t at = 1; at < token.size(); ++at) {
      if ((static_cast<unsigned char>(token[at]) & 0xc0) == 0x80) continue;
      const std::string_view left = token.substr(0, at), right = token.substr(at);
      if (ids.contains(left) && ids.contains(right))
        merges.push_back({scores[i], characters(left), characters(right), token, at});
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    if (a.score != b.score) return a.score > b.score;
    return std::pair(a.left, a.right) > std::pair(b.left, b.right);
  });
  json list = json::array();
  for (const Merge& one : merges)
    list.push_back(
        {std::string(one.token.substr(0, one.at)), std::string(one.token.substr(one.at))});
  return list;
}

bool flag_in(const Gguf& gguf, const char* key, bool otherwise) {
  const GgufValue* value = gguf.find(key);
  return value == nullptr ? otherwise : value->kind == GgufKind::kBool && value->integer != 0;
}

json replaced(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

}  // namespace

bool has_pieces(const json& model) {
  return model.value("type", "BPE") == "BPE" && model.value("byte_fallback", false);
}

bool is_byte_piece(const std::string& token) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return token.size() == 6 && token.starts_with("<0x") && token[5] == '>' && hex(token[3]) &&
         hex(token[4]);
}

bool space_before(const json& tokenizer, const std::string& where) {
  bool before = false, replaces = false;
  for (const json& step : steps_of(tokenizer.value("normalizer", json()), "normalizers")) {
    const std::string type = step.value("type", "");
    if (type == "Prepend" && step.value("prepend", "") == kSpace)
      before = true;
    else if (type == "Replace" && is_space_pattern(step) && step.value("content", "") == kSpace)
      replaces = true;
    else
      fail_step(where, step);
  }
  for (const json& step : steps_of(tokenizer.value("pre_tokenizer", json()), "pretokenizers")) {
    const std::string type = step.value("type", "");
    // Where spaces are replaced already, there is none left to split at.
    if (type == "Split" && is_space_pattern(step) && replaces) continue;
    if (type != "Metaspace" || step.value("replacement", kSpace) != std::string(kSpace) ||
        step.value("split", true))
      fail_step(where, step);
    replaces = true;
    before = before || step.value("prepend_scheme", "always") != "never";
  }
  if (!replaces) fail("{}: its tokenizer leaves spaces as they are, and llama.cpp does not", where);
  return before;
}

std::vector<float> piece_scores(const json& model, const std::vector<std::string>& tokens,
                                const std::string& where) {
  std::unordered_map<std::string, float> scores;
  float rank = 0;
  for (const json& merge : model.at("merges")) {
    scores.emplace(merged(merge, where), rank);
    rank -= 1;
  }
  std::vector<float> all;
  for (const std::string& token : tokens) {
    const auto found = scores.find(token);
    all.push_back(found == scores.end() ? rank - 1 : found->second);
  }
  return all;
}

json tokenizer_of_pieces(const Gguf& gguf) {
  const std::span<const std::string_view> tokens = gguf.texts("tokenizer.ggml.tokens");
  const bool before = flag_in(gguf, "tokenizer.ggml.add_space_prefix", true);
  const int64_t unknown = gguf.integer("tokenizer.ggml.unknown_token_id", 0);
  json normalizer = replaced(" ", kSpace), decoders = json::array();
  decoders.push_back(replaced(kSpace, " "));
  decoders.push_back({{"type", "ByteFallback"}});
  decoders.push_back({{"type", "Fuse"}});
  if (before) {
    normalizer = {{"type", "Sequence"},
                  {"normalizers", {{{"type", "Prepend"}, {"prepend", kSpace}}, normalizer}}};
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  json model = {{"type", "BPE"},
                {"byte_fallback", true},
                {"fuse_unk", true},
                {"vocab", json::object()},
                {"merges", merges_of(gguf, tokens)}};
  if (unknown >= 0 && unknown < std::ssize(tokens))
    model["unk_token"] = std::string(tokens[static_cast<size_t>(unknown)]);
  return {{"normalizer", normalizer},
          {"pre_tokenizer", nullptr},
          {"decoder", {{"type", "Sequence"}, {"decoders", decoders}}},
          {"model", model}};
}

}  // namespace falconer
