#include "text/gpt2_files.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_file.h"
#include "base/json_number.h"

namespace falconer {
namespace {

using nlohmann::json;
using Gpt2Files = std::map<std::string, std::string>;

json object_or_empty(const Gpt2Files& files, const char* name) {
  return files.contains(name) ? parse_json_object(files.at(name), name) : json::object();
}

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

/// The added tokens, of which each text has one.
class AddedList {
 public:
  explicit AddedList(const json& vocab)
      : vocab_(vocab), next_(static_cast<int64_t>(vocab.size())) {}

  /// A text, or an object with its content and its flags. `id` where no vocabulary has it.
  void add(const json& token, bool special, std::optional<int64_t> id = {}) {
    json entry = token.is_object() ? token : json{{"content", token}};
    entry.erase("__type");
    const auto content = entry.at("content").get<std::string>();
    for (json& known : list_)
      if (known["content"] == content) {
        known["special"] = known["special"] == true || special;
        return;
      }
    if (const auto found = vocab_.find(content); found != vocab_.end())
      id = whole_number(*found, content);
    if (!id) id = next_;
    next_ = std::max(next_, *id + 1);
    entry["id"] = *id;
    entry["special"] = special || entry.value("special", false);
    if (!entry.contains("normalized")) entry["normalized"] = !entry["special"].get<bool>();
    list_.push_back(std::move(entry));
  }

  json sorted() {
    std::sort(list_.begin(), list_.end(), [](const json& a, const json& b) {
      return whole_number(a["id"], "id") < whole_number(b["id"], "id");
    });
    return list_;
  }

 private:
  const json& vocab_;
  int64_t next_;
  std::vector<json> list_;
};

int64_t parse_id(const std::string& text) {
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != text.npos)
    fail("tokenizer_config.json has the token id \"{}\"; expected a whole number", text);
  return std::stoll(text);
}

json added_tokens(const Gpt2Files& files, const json& vocab, const json& config) {
  AddedList added(vocab);
  const json decoder = config.value("added_tokens_decoder", json::object());
  for (const auto& [id, token] : decoder.items())
    added.add(token, token.value("special", false), parse_id(id));
  const json more_tokens = object_or_empty(files, "added_tokens.json");
  for (const auto& [token, id] : more_tokens.items())
    added.add(token, false, whole_number(id, token));
  const json map = object_or_empty(files, "special_tokens_map.json");
  const auto named = [&](const char* key) {
    const json value = config.value(key, json());
    return value.is_null() ? map.value(key, json()) : value;
  };
  for (const char* key : {"bos_token", "eos_token", "unk_token"})
    if (const json name = named(key); !name.is_null())
      added.add(name, true);
    else if (vocab.contains("<|endoftext|>"))
      added.add("<|endoftext|>", true);
  for (const char* key : {"sep_token", "pad_token", "cls_token", "mask_token"})
    if (const json name = named(key); !name.is_null()) added.add(name, true);
  const json more = named("additional_special_tokens");
  if (more.is_array())
    for (const json& name : more) added.add(name, true);
  return added.sorted();
}

}  // namespace

std::string tokenizer_json_of_gpt2(const Gpt2Files& files) {
  const json config = object_or_empty(files, "tokenizer_config.json");
  const std::string kind = config.value("tokenizer_class", "GPT2Tokenizer");
  if (kind != "GPT2Tokenizer" && kind != "GPT2TokenizerFast")
    fail(
        "vocab.json and merges.txt are those of a {}; without tokenizer.json Falconer reads those "
        "of "
        "a GPT2Tokenizer only: save it with transformers' save_pretrained, which writes "
        "tokenizer.json",
        kind);
  if (config.value("add_bos_token", json(false)) == true)
    fail(
        "tokenizer_config.json sets add_bos_token; save the tokenizer with transformers' "
        "save_pretrained, which writes a tokenizer.json that says so");
  const bool prefix = config.value("add_prefix_space", json(false)) == true;
  const json vocab = parse_json_object(files.at("vocab.json"), "vocab.json");
  const json bytes = {{"type", "ByteLevel"},
                      {"add_prefix_space", prefix},
                      {"trim_offsets", true},
                      {"use_regex", true}};
  const json made = {
      {"version", "1.0"},
      {"added_tokens", added_tokens(files, vocab, config)},
      {"normalizer", nullptr},
      {"pre_tokenizer", bytes},
      {"post_processor", bytes},
      {"decoder", bytes},
      {"model",
       {{"type", "BPE"}, {"vocab", vocab}, {"merges", read_merges_file(files.at("merges.txt"))}}}};
  return made.dump();
}

}  // namespace falconer
