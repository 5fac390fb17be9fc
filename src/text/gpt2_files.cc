#include "text/gpt2_files.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_file.h"
#include "text/added_token_files.h"

namespace falconer {
namespace {

using nlohmann::json;

/// Lines of two tokens with a space between. The first line may tell the version.
json read_merges_file(std::string_view text) {
  json merges = json::array();
  for (int64_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view merge = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (merge.ends_with('\r')) merge.remove_suffix(1);
    if (merge.empty() || merge.starts_with("#version")) continue;
    const size_t space = merge.find(' ');
    if (space == merge.npos || merge.find(' ', space + 1) != merge.npos)
      fail("merges.txt: line {} is \"{}\"; expected two tokens with a space between", line, merge);
    merges.push_back(
        json::array({std::string(merge.substr(0, space)), std::string(merge.substr(space + 1))}));
  }
  return merges;
}

}  // namespace

MadeTokenizer tokenizer_json_of_gpt2(const std::map<std::string, std::string>& files) {
  const json config = json_object_or_empty(files, "tokenizer_config.json");
  const std::string kind = config.value("tokenizer_class", "GPT2Tokenizer");
  if (kind != "GPT2Tokenizer" && kind != "GPT2TokenizerFast")
    fail(
        "vocab.json and merges.txt are those of a {}; without tokenizer.json Falconer reads those "
        "of "
        "a GPT2Tokenizer only: save it with transformers' save_pretrained, which writes "
        "tokenizer.json",
        kind);
  constexpr const char* kEnd = "<|endoftext|>";
  const bool prefix = config.value("add_prefix_space", json(false)) == true;
  const json vocab = parse_json_object(files.at("vocab.json"), "vocab.json");
  const json bytes = {{"type", "ByteLevel"},
                      {"add_prefix_space", prefix},
                      {"trim_offsets", true},
                      {"use_regex", true}};
  const AddedTokenFiles added(files, vocab, config, {}, {kEnd, kEnd, kEnd});
  json made = {
      {"version", "1.0"},
      {"added_tokens", added.sorted()},
      {"normalizer", nullptr},
      {"pre_tokenizer", bytes},
      {"post_processor", added.post_processor().value_or(bytes)},
      {"decoder", bytes},
      {"model",
       {{"type", "BPE"}, {"vocab", vocab}, {"merges", read_merges_file(files.at("merges.txt"))}}}};
  return {std::move(made), added.names()};
}

}  // namespace falconer
