// The added tokens of a tokenizer that has no tokenizer.json: what the files beside its vocabulary say.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace falconer {

/// What tokenizer.json says. Of one that was made of other files also the names of its special tokens ("bos_token")
/// that it has where no other file has one, and whether its "added_tokens" are all that the files beside it say.
struct MadeTokenizer {
  nlohmann::json file;
  std::map<std::string, std::string> names = {};
  bool has_all = false;
};

/// The object that a file of JSON holds, by name; an empty one where it is not there.
nlohmann::json json_object_or_empty(const std::map<std::string, std::string>& files,
                                    const char* name);

/// As transformers puts them together from tokenizer_config.json, added_tokens.json and special_tokens_map.json.
class AddedTokenFiles {
 public:
  /// Names of the bos, eos and unk token where no file has one. They count where the vocabulary has them.
  struct Names {
    std::string bos, eos, unk;
  };
  /// `vocab` has ids by token, `config` is tokenizer_config.json, and `own` are entries of "added_tokens" that the
  /// vocabulary's file brings along. Errors: an id or a name that is none.
  AddedTokenFiles(const std::map<std::string, std::string>& files, const nlohmann::json& vocab,
                  const nlohmann::json& config, const std::vector<nlohmann::json>& own,
                  const Names& usual);

  /// "added_tokens", by their ids.
  nlohmann::json sorted() const;
  /// Puts bos before a text and eos behind it, as tokenizer_config.json asks for; nothing where it asks for neither.
  std::optional<nlohmann::json> post_processor() const;
  /// Of the bos, eos and unk token, as they are named or usual.
  const std::map<std::string, std::string>& names() const { return names_; }

 private:
  /// `token`: a text, or an object with its content and its flags. `id` where no vocabulary has it.
  void add(const nlohmann::json& token, bool special, std::optional<int64_t> id = {});
  int64_t id_of(const std::string& content) const;

  const nlohmann::json& vocab_;
  int64_t next_;
  std::vector<nlohmann::json> list_;  // each text once
  std::map<std::string, std::string> names_;
  std::vector<std::pair<bool, std::string>> around_;  // before the text, or behind it
};

}  // namespace falconer
