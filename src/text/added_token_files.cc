#include "text/added_token_files.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_file.h"
#include "base/json_number.h"

namespace falconer {
namespace {

using nlohmann::json;

int64_t parse_added_id(const std::string& text) {
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != text.npos)
    fail("tokenizer_config.json has the token id \"{}\"; expected a whole number", text);
  return std::stoll(text);
}

std::string content_of_token(const json& token) {
  return (token.is_object() ? token.at("content") : token).get<std::string>();
}

}  // namespace

json json_object_or_empty(const std::map<std::string, std::string>& files, const char* name) {
  return files.contains(name) ? parse_json_object(files.at(name), name) : json::object();
}

AddedTokenFiles::AddedTokenFiles(const std::map<std::string, std::string>& files, const json& vocab,
                                 const json& config, const std::vector<json>& own,
                                 const Names& usual)
    : vocab_(vocab), next_(static_cast<int64_t>(vocab.size())) {
  const json decoder = config.value("added_tokens_decoder", json::object());
  for (const auto& [id, token] : decoder.items())
    add(token, token.value("special", false), parse_added_id(id));
  for (const json& token : own) add(token, token.value("special", false));
  const json more_tokens = json_object_or_empty(files, "added_tokens.json");
  for (const auto& [token, id] : more_tokens.items()) add(token, false, whole_number(id, token));
  const json map = json_object_or_empty(files, "special_tokens_map.json");
  const auto named = [&](const char* key) {
    const json value = config.value(key, json());
    return value.is_null() ? map.value(key, json()) : value;
  };
  for (const auto& [key, other] :
       {std::pair("bos_token", usual.bos), std::pair("eos_token", usual.eos),
        std::pair("unk_token", usual.unk)}) {
    if (const json name = named(key); !name.is_null()) {
      add(name, true);
      names_[key] = content_of_token(name);
    } else if (vocab.contains(other)) {
      add(other, true);
      names_[key] = other;
    }
  }
  for (const auto& [key, token] :
       {std::pair("add_bos_token", "bos_token"), std::pair("add_eos_token", "eos_token")})
    if (names_.contains(token) && config.value(key, json()) == true)
      around_.emplace_back(token == std::string_view("bos_token"), names_[token]);
  for (const char* key : {"sep_token", "pad_token", "cls_token", "mask_token"})
    if (const json name = named(key); !name.is_null()) add(name, true);
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"})
    if (const json more = named(key); more.is_array())
      for (const json& name : more) add(name, true);
}

void AddedTokenFiles::add(const json& token, bool special, std::optional<int64_t> id) {
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

json AddedTokenFiles::sorted() const {
  std::vector<json> list = list_;
  std::sort(list.begin(), list.end(), [](const json& a, const json& b) {
    return whole_number(a["id"], "id") < whole_number(b["id"], "id");
  });
  return list;
}

int64_t AddedTokenFiles::id_of(const std::string& content) const {
  const auto found = std::find_if(list_.begin(), list_.end(),
                                  [&](const json& token) { return token["content"] == content; });
  FALCONER_CHECK(found != list_.end());
  return whole_number((*found)["id"], "id");
}

std::optional<json> AddedTokenFiles::post_processor() const {
  if (around_.empty()) return {};
  json single = json::array(), tokens = json::object();
  const auto add_side = [&](bool before) {
    for (const auto& [first, content] : around_) {
      if (first != before) continue;
      single.push_back({{"SpecialToken", {{"id", content}, {"type_id", 0}}}});
      tokens[content] = {{"id", content}, {"ids", {id_of(content)}}, {"tokens", {content}}};
    }
  };
  add_side(true);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  add_side(false);
  return json{{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", tokens}};
}

}  // namespace falconer
