#include "text/token_additions.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "base/joined.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/number.h"

namespace falconer {
namespace {

using nlohmann::json;

/// Tokens in the order in which they are added, each with the id that `tokenizers` gives it.
class AddedInOrder {
 public:
  /// An object of ids by tokens, or a list of tokens with their scores.
  explicit AddedInOrder(const json& vocab) : vocab_(vocab) {
    if (!vocab.is_array()) return;
    for (size_t i = 0; i < vocab.size(); ++i)
      if (vocab[i].is_array() && !vocab[i].empty() && vocab[i][0].is_string())
        places_in_list_.try_emplace(vocab[i][0].get<std::string>(), i);
  }

  /// Of one that is there, the flags that come last count.
  void add(const std::vector<AddedToken>& together) {
    const auto size = static_cast<int64_t>(vocab_.size());
    int64_t next = size;
    for (const AddedToken& token : tokens_)
      if (token.id >= size || size == 0) next = std::max<int64_t>(next, token.id + int64_t{1});
    for (const AddedToken& token : together) {
      if (token.content.empty()) continue;
      const auto [place, is_new] = places_.try_emplace(token.content, tokens_.size());
      if (!is_new) {
        const int32_t id = tokens_[place->second].id;
        tokens_[place->second] = token;
        tokens_[place->second].id = id;
        continue;
      }
      tokens_.push_back(token);
      const std::optional<int64_t> known = id_in_vocabulary(token.content);
      const int64_t id = known ? *known : next++;
      if (!WholeRange{0, INT32_MAX}.holds(id))
        fail("its token \"{}\" has the id {}", printable(token.content), id);
      tokens_.back().id = static_cast<int32_t>(id);
    }
  }
  bool has(const std::string& content) const { return places_.contains(content); }
  bool in_vocabulary(const std::string& content) const {
    return vocab_.is_array() ? places_in_list_.contains(content) : vocab_.contains(content);
  }
  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  std::optional<int64_t> id_in_vocabulary(const std::string& content) const {
    if (!in_vocabulary(content)) return {};
    if (vocab_.is_array()) return static_cast<int64_t>(places_in_list_.at(content));
    return whole_number(vocab_.at(content), content);
  }

  const json& vocab_;
  std::unordered_map<std::string, size_t> places_in_list_;
  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string, size_t> places_;
};

/// A token that a file names, which is control: by its text alone, or an object with its flags.
class Named {
 public:
  Named(AddedToken said, bool by_text) : token(std::move(said)), alone(by_text) {}

  AddedToken token;
  bool alone = false;

  bool operator<(const Named& other) const { return all() < other.all(); }

 private:
  std::tuple<std::string, bool, bool, bool, bool, bool> all() const {
    return {token.content, alone, token.normalized, token.single_word, token.lstrip, token.rstrip};
  }
};

/// Nothing where it is neither.
std::optional<Named> named_token(const json& value) {
  const auto text = token_name(value);
  if (!text) return {};
  json entry = value.is_object() ? value : json{{"content", *text}};
  entry["id"] = 0;  // which is given later
  entry["special"] = true;
  return Named{read_added_token(entry, "tokenizer_config.json"), !value.is_object()};
}

/// What the files beside tokenizer.json say of tokens.
class Beside {
 public:
  Beside(const TokenizerFiles& files, const std::vector<AddedToken>& own) {
    config_ = parse_optional_file(files, "tokenizer_config.json");
    if (!config_.is_object()) config_ = json::object();
    const auto found = files.find("tokenizer_config.json");
    if (found != files.end()) text_ = found->second;
    for (const char* kind : {"bos", "eos"})
      if (const auto name = name_of(kind)) ends_.emplace_back(kind, *name);
    for (const char* kind : kTokenKinds)
      if (auto name = name_of(kind)) control_.insert(*std::move(name));
    read_extra(config_, "extra_special_tokens");
    if (extra_.empty()) read_extra(config_, "additional_special_tokens");
    if (config_.contains("added_tokens_decoder"))
      read_decoder();
    else
      read_older(files, own);
    read_names();
    for (const std::vector<Named>* tokens : {&named_, &extra_})
      for (const Named& named : *tokens) control_.insert(named.token.content);
    const json map = parse_optional_file(files, "special_tokens_map.json");
    for (const json& value : map)
      for (const json& one : value.is_array() ? value : json::array({value}))
        if (auto text = token_name(one)) control_.insert(*std::move(text));
  }

  /// In the order of their ids.
  const std::vector<AddedToken>& listed() const { return listed_; }
  /// Those that have a name, as "eos_token", and then those that have none.
  const std::vector<Named>& named() const { return named_; }
  const std::vector<Named>& extra() const { return extra_; }
  /// Texts of tokens that are control whatever tokenizer.json says of them.
  const std::set<std::string>& control() const { return control_; }
  /// "eos" and what tokenizer_config.json calls it.
  const std::vector<std::pair<const char*, std::string>>& ends() const { return ends_; }

 private:
  std::optional<std::string> name_of(const char* kind) const {
    return token_name(config_.value(std::string(kind) + "_token", json()));
  }

  void read_extra(const json& from, const char* key) {
    const json list = from.value(key, json());
    if (!list.is_array()) return;
    for (const json& one : list)
      if (auto named = named_token(one);
          named && extras_.try_emplace(named->token.content, named->alone).second)
        extra_.push_back(*std::move(named));
  }

  void read_decoder() {
    std::map<int64_t, AddedToken> by_id;
    const json& decoder = config_["added_tokens_decoder"];
    if (decoder.is_null()) return;
    if (!decoder.is_object())
      fail(
          "tokenizer_config.json: \"added_tokens_decoder\" is {}, expected an object of tokens by "
          "id",
          found_text(decoder));
    for (const auto& [text, value] : decoder.items()) {
      const auto id = whole_of_text(text);
      if (!id || !WholeRange{0, INT32_MAX}.holds(*id))
        fail("tokenizer_config.json has the token id \"{}\"; expected a whole number",
             printable(text));
      json entry = value;
      if (entry.is_object()) entry["id"] = *id;
      const AddedToken token =
          read_added_token(entry, "tokenizer_config.json: added_tokens_decoder");
      by_id[*id] = flags_[token.content] = token;
    }
    for (auto& [id, token] : by_id) listed_.push_back(std::move(token));
  }

  /// Files of before that list: names are also in special_tokens_map.json, tokens in added_tokens.json.
  void read_older(const TokenizerFiles& files, const std::vector<AddedToken>& own) {
    json map = parse_optional_file(files, "special_tokens_map.json");
    if (!map.is_object()) map = json::object();
    read_extra(map, "extra_special_tokens");
    const auto says = [&](const char* key) { return config_.contains(key) || map.contains(key); };
    if (!says("extra_special_tokens") && !config_.contains("additional_special_tokens"))
      read_extra(map, "additional_special_tokens");
    for (const auto& [key, value] : map.items()) config_[key] = value;
    std::map<int64_t, AddedToken> by_id;
    const json added = parse_optional_file(files, "added_tokens.json");
    for (const auto& [text, id] : added.items()) {
      AddedToken token;
      token.content = text;
      token.special = is_control(text, map);
      token.normalized = !token.special;
      by_id[whole_number(id, text, {0, INT32_MAX}, "added_tokens.json")] = flags_[text] = token;
    }
    for (const AddedToken& token : own) by_id[token.id] = flags_[token.content] = token;
    for (auto& [id, token] : by_id) listed_.push_back(std::move(token));
  }

  /// An object in tokenizer_config.json, and not in `map`, tells transformers nothing of it.
  bool is_control(const std::string& text, const json& map) const {
    const auto names_it = [&](const char* kind) {
      const std::string key = std::string(kind) + "_token";
      return name_of(kind) == text && (map.contains(key) || config_[key].is_string());
    };
    const auto extra = extras_.find(text);
    return std::any_of(std::begin(kTokenKinds), std::end(kTokenKinds), names_it) ||
           (extra != extras_.end() && extra->second);
  }

  /// Those that have flags in the list have them by their names as well.
  void read_names() {
    const auto with_flags = [&](Named named) {
      const auto found = flags_.find(named.token.content);
      return found == flags_.end() ? named : Named{found->second, false};
    };
    std::vector<std::string> others;  // names of a model's own
    for (const auto& [key, value] : config_.items())
      if (key.ends_with("_token")) others.push_back(key);
    for (const char* kind : kTokenKinds) {
      const std::string key = std::string(kind) + "_token";
      std::erase(others, key);
      if (auto token = named_token(config_.value(key, json())))
        named_.push_back(with_flags(*std::move(token)));
    }
    constexpr size_t kFew = 64;  // each is looked for in the text, and no file has more
    if (others.size() <= kFew)
      std::stable_sort(others.begin(), others.end(), [&](const auto& a, const auto& b) {
        return text_.find('"' + a + '"') < text_.find('"' + b + '"');
      });
    for (const std::string& key : others)
      if (auto token = named_token(config_[key])) named_.push_back(*std::move(token));
    const json by_name = config_.value("extra_special_tokens", json());
    if (by_name.is_object())
      for (const json& one : by_name)
        if (auto token = named_token(one)) named_.push_back(*std::move(token));
  }

  json config_;
  std::string text_;  // of tokenizer_config.json, for the order of what stands there
  std::vector<AddedToken> listed_;
  std::map<std::string, AddedToken> flags_;  // of listed tokens by their texts
  std::vector<Named> named_, extra_;
  std::map<std::string, bool> extras_;  // whether text alone names them
  std::set<std::string> control_;
  std::vector<std::pair<const char*, std::string>> ends_;
};

std::vector<AddedToken> own_tokens(const json& file) {
  std::vector<AddedToken> tokens;
  if (file.contains("added_tokens"))
    for (const json& entry : file["added_tokens"]) tokens.push_back(read_added_token(entry));
  return tokens;
}

void say_other_ids(const std::vector<AddedToken>& said, const std::vector<AddedToken>& given,
                   const std::string& where) {
  std::unordered_map<std::string_view, int32_t> ids;
  for (const AddedToken& token : given) ids.emplace(token.content, token.id);
  std::vector<std::string> others;
  for (const AddedToken& token : said)
    if (const auto found = ids.find(token.content); found != ids.end() && found->second != token.id)
      others.push_back(fmt::format("\"{}\" is {} and not {}", printable(token.content),
                                   found->second, token.id));
  constexpr size_t kShown = 5;
  const size_t more = others.size() > kShown ? others.size() - kShown : 0;
  others.resize(others.size() - more);
  if (!others.empty())
    log_warning(
        "{}: ids of its added tokens do not follow the vocabulary in the order of their list, and "
        "count for "
        "nothing, as in tokenizers: {}{}",
        where, joined(others, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}

/// A name of what ends or begins a text is worth nothing without the token.
void refuse_missing(const Beside& beside, const AddedInOrder& added) {
  const auto is_listed = [&](const std::string& content) {
    return std::any_of(beside.listed().begin(), beside.listed().end(),
                       [&](const AddedToken& token) { return token.content == content; }) ||
           std::any_of(beside.extra().begin(), beside.extra().end(),
                       [&](const Named& named) { return named.token.content == content; });
  };
  for (const auto& [kind, name] : beside.ends())
    if (!added.has(name) && !added.in_vocabulary(name) && !is_listed(name))
      fail("tokenizer_config.json names the {} token \"{}\", which tokenizer.json lacks", kind,
           printable(name));
}

/// First those of the lists, then those that are named and are in none.
void add_beside(const Beside& beside, AddedInOrder& added) {
  std::vector<AddedToken> together = beside.listed();
  std::set<std::string> listed;
  for (const AddedToken& token : together) listed.insert(token.content);
  std::set<Named> taken;
  for (const std::vector<Named>* tokens : {&beside.named(), &beside.extra()})
    for (const Named& named : *tokens) {
      const std::string& content = named.token.content;
      if (added.has(content) || listed.contains(content) || !taken.insert(named).second) continue;
      together.push_back(named.token);
    }
  added.add(together);
}

}  // namespace

TokenAdditions read_added_tokens(const json& file, const TokenizerFiles& files,
                                 const std::string& where) {
  const json& vocab = file.at("model").at("vocab");
  if (!vocab.is_structured())
    fail("its vocabulary is {}, expected an object of tokens and ids, or a list",
         found_text(vocab));
  const std::vector<AddedToken> own = own_tokens(file);
  AddedInOrder added(vocab);
  added.add(own);
  say_other_ids(own, added.tokens(), where);
  TokenAdditions made{.tokens = {}, .own = added.tokens().size()};
  const Beside beside(files, added.tokens());
  refuse_missing(beside, added);
  add_beside(beside, added);
  made.tokens = added.tokens();
  for (AddedToken& token : made.tokens)
    token.special = token.special || beside.control().contains(token.content);
  std::vector<std::string> others;
  for (size_t i = made.own; i < made.tokens.size(); ++i)
    if (!added.in_vocabulary(made.tokens[i].content))
      others.push_back(
          fmt::format("{} ({})", printable(made.tokens[i].content), made.tokens[i].id));
  if (!others.empty())
    log_info("{}: the files beside it add tokens, as with transformers: {}", where,
             joined(others, ", "));
  return made;
}

std::string tokenizer_json_with_additions(const TokenizerFiles& files, int64_t rows,
                                          const std::string& where) {
  MadeTokenizer made = read_tokenizer_json(files);
  json& file = made.file;
  const TokenAdditions additions =
      read_added_tokens(file, made.has_all ? TokenizerFiles() : files, where);
  json list = json::array();
  for (size_t i = 0; i < additions.tokens.size(); ++i) {
    const AddedToken& token = additions.tokens[i];
    if (i >= additions.own && token.id >= rows) continue;
    list.push_back({{"id", token.id},
                    {"content", token.content},
                    {"single_word", token.single_word},
                    {"lstrip", token.lstrip},
                    {"rstrip", token.rstrip},
                    {"normalized", token.normalized},
                    {"special", token.special}});
  }
  file["added_tokens"] = std::move(list);
  return json_text(file);
}

}  // namespace falconer
