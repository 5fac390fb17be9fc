#include "text/tokenizer_parts.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_file.h"
#include "text/byte_alphabet.h"
#include "text/gpt2_files.h"
#include "text/sentencepiece_file.h"
#include "text/subword_model.h"
#include "text/unicode.h"

namespace falconer {
namespace {

using nlohmann::json;

constexpr int32_t kMostTokens = 1 << 24;  // no vocabulary is near it; a bound for wrong files
constexpr size_t kIdsWithoutTokens = 1 << 16, kIdsForEach = 8;

int32_t checked_id(int64_t id, std::string_view token) {
  if (id < 0 || id >= kMostTokens) fail("its token \"{}\" has the id {}", token, id);
  return static_cast<int32_t>(id);
}

/// One past the largest id. Error: far more of them than tokens, for which there would be a table.
int32_t count_ids(const json& model, const std::vector<AddedToken>& added) {
  int32_t size = 0;
  for_each_own_token(model, [&](const std::string& token, int64_t id) {
    size = std::max(size, checked_id(id, token) + 1);
  });
  for (const auto& token : added) size = std::max(size, checked_id(token.id, token.content) + 1);
  const size_t tokens = model.at("vocab").size() + added.size();
  if (static_cast<size_t>(size) > kIdsWithoutTokens + kIdsForEach * tokens)
    fail("its ids go up to {}, and it has {} tokens", size - 1, tokens);
  return size;
}

}  // namespace

bool are_of_tokenizer(const std::function<bool(const char* name)>& has) {
  return has("tokenizer.json") || (has("vocab.json") && has("merges.txt")) ||
         has("tokenizer.model");
}

const char* main_file_of(const TokenizerFiles& files) {
  if (files.contains("tokenizer.json")) return "tokenizer.json";
  return files.contains("vocab.json") && files.contains("merges.txt") ? "vocab.json"
                                                                      : "tokenizer.model";
}

json parse_tokenizer_file(const TokenizerFiles& files, const char* name) {
  return parse_json_object(files.at(name), name);
}

json parse_optional_file(const TokenizerFiles& files, const char* name) {
  return files.contains(name) ? parse_tokenizer_file(files, name) : json();
}

MadeTokenizer read_tokenizer_json(const TokenizerFiles& files) {
  if (!are_of_tokenizer([&](const char* name) { return files.contains(name); }))
    fail("holds no tokenizer");
  const std::string_view name = main_file_of(files);
  if (name == "tokenizer.json") return {parse_tokenizer_file(files, "tokenizer.json")};
  return name == "vocab.json" ? tokenizer_json_of_gpt2(files)
                              : tokenizer_json_of_sentencepiece(files);
}

std::optional<std::string> token_name(const json& name) {
  if (name.is_object()) return token_name(name.value("content", json()));
  return name.is_string() ? std::optional(name.get<std::string>()) : std::nullopt;
}

std::vector<AddedToken> added_tokens_of(std::vector<AddedToken> tokens, bool normalized) {
  std::erase_if(tokens, [&](const AddedToken& token) { return token.normalized != normalized; });
  return tokens;
}

std::vector<AddedToken> normalized_tokens(const std::vector<AddedToken>& tokens,
                                          const Normalizer& normalizer) {
  std::vector<AddedToken> result = added_tokens_of(tokens, true);
  for (AddedToken& token : result) token.content = normalizer.apply(to_valid_utf8(token.content));
  return result;
}

std::string token_bytes_of(const std::string& spelling, bool byte_level) {
  return byte_level ? unspell_bytes(spelling).value_or(spelling) : spelling;
}

Vocabulary read_vocabulary(const json& file, const std::vector<AddedToken>& added, bool bytes) {
  const json& model = file.at("model");
  Vocabulary vocabulary(count_ids(model, added));
  for_each_own_token(model, [&](const std::string& token, int64_t value) {
    const int32_t id = checked_id(value, token);
    if (vocabulary.has(id))
      fail("its tokens \"{}\" and \"{}\" share the id {}", token, vocabulary.bytes(id), id);
    vocabulary.add(id, token_bytes_of(token, bytes));
  });
  for (const auto& token : added) {
    const std::string own = token_bytes_of(token.content, bytes);
    if (!vocabulary.has(token.id))
      vocabulary.add(token.id, own);
    else if (vocabulary.bytes(token.id) != own)
      fail(
          "its vocabulary leaves ids out, so that its added token \"{}\" has the id {}, the next "
          "behind {} tokens, "
          "and \"{}\" has it too; number the vocabulary without gaps",
          printable(token.content), token.id, model.at("vocab").size(),
          printable(vocabulary.bytes(token.id)));
  }
  return vocabulary;
}

TokenDecoder read_decoder(const json& decoder, bool bytes) {
  const bool joins = decoder.is_object() && decoder.value("type", "") == "ByteLevel";
  if (bytes && !joins)
    fail("its decoder is not ByteLevel, and its pre_tokenizer has such a step; expected both");
  if (!bytes && joins)
    fail(
        "its decoder is ByteLevel, and its pre_tokenizer has no such step (Metaspace, Whitespace "
        "and "
        "others make characters); expected both or neither");
  return bytes ? TokenDecoder() : TokenDecoder::from_json(decoder);
}

PreTokenizer read_pre_tokenizer(const json& settings, const Normalizer& normalizer) {
  PreTokenizer made = PreTokenizer::from_json(settings);
  if (made.needs_start() && normalizer.may_cut_beginning())
    fail(
        "its pre_tokenizer has a Metaspace with prepend_scheme first, and its normalizer may leave "
        "out how a text begins; Falconer has not got both together");
  return made;
}

}  // namespace falconer
