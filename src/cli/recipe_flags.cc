#include "cli/recipe_flags.h"

#include <algorithm>

#include "base/nearest.h"
#include "base/path.h"
#include "base/setting_words.h"
#include "base/toml.h"
#include "cli/words.h"
#include "falconer/error.h"

namespace falconer::cli {
namespace {

constexpr int kUsage = 2;

[[noreturn]] void unknown_key(const Command& command, const std::string& place,
                              const std::string& key) {
  std::vector<std::string> names;
  for (const Flag& flag : command.flags())
    for (const std::string& name : flag.long_names) names.push_back(name);
  throw Error(place + ": " + command.name() + " has no flag --" + dashed(key) + " for the key " +
                  key + did_you_mean(dashed(key), names),
              kUsage);
}

// A recipe that is not there is a wrong command line, as one with a wrong key is.
std::vector<TomlEntry> entries_of(const std::string& path) {
  if (!is_there(path)) throw Error(path + ": " + not_found_text(path, "a recipe"), kUsage);
  try {
    return read_toml(path);
  } catch (const Error& error) {
    throw Error(error.what(), kUsage);
  }
}

const Flag* option_of(const Command& app, const Command& command, const TomlEntry& entry,
                      const std::string& place) {
  const std::string flag = "--" + dashed(entry.key);
  const Flag* option = find_flag(command, flag);
  if (option == nullptr) option = find_flag(app, flag);
  if (option == nullptr) unknown_key(command, place, entry.key);
  for (const char* name : {"--config", "--help", "--version", "--ranks", "--rank-timeout"})
    if (option->is_named(name))
      throw Error(place + ": " + name + " belongs on the command line, not in a recipe", kUsage);
  return option;
}

std::vector<const Flag*> positionals_of(const Command& command) {
  std::vector<const Flag*> positionals;
  for (const Flag& flag : command.flags())
    if (!flag.positional.empty()) positionals.push_back(&flag);
  return positionals;
}

// Where the command stands among the words; their number where none does.
size_t command_at(const Command& app, const std::vector<std::string>& words) {
  size_t at = 0;
  for (; at < words.size(); ++at) {
    if (!words[at].starts_with("-")) break;
    const Flag* flag = find_flag(app, words[at]);
    if (flag != nullptr && flag->takes_value()) ++at;  // its value
  }
  return at;
}

std::string value_of(const std::vector<std::string>& words, const std::string& flag) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--") break;
    if (words[i] == flag && i + 1 < words.size()) return words[i + 1];
    if (words[i].starts_with(flag + "=")) return words[i].substr(flag.size() + 1);
  }
  return "";
}

}  // namespace

std::vector<RecipeFlag> read_recipe(const Command& app, const Command& command,
                                    const std::string& path) {
  std::vector<RecipeFlag> flags;
  for (const TomlEntry& entry : entries_of(path)) {
    const std::string place = path + ":" + std::to_string(entry.line);
    const Flag* option = option_of(app, command, entry, place);
    for (const RecipeFlag& other : flags)
      if (other.option == option)
        throw Error(place + ": " + entry.key + " sets what " + other.place + " sets already",
                    kUsage);
    if (entry.values.empty())
      throw Error(place + ": " + entry.key + " is an empty list; leave the key out for the default",
                  kUsage);
    for (const std::string& value : entry.values) {
      if (value.empty() && !entry.array) continue;
      flags.push_back({"--" + dashed(entry.key) + "=" + value, option, place});
    }
  }
  return flags;
}

std::vector<const Flag*> options_given(const Command& app, const Command& command,
                                       const std::vector<std::string>& words) {
  const std::vector<const Flag*> positionals = positionals_of(command);
  std::vector<const Flag*> given;
  size_t bare = 0;
  bool only_bare = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      only_bare = true;
    } else if (only_bare || !word.starts_with("-") || word.size() < 2) {
      if (bare < positionals.size()) given.push_back(positionals[bare++]);
    } else {
      const std::string name = word.substr(0, word.find('='));
      const Flag* flag = find_flag(command, name);
      if (flag == nullptr) flag = find_flag(app, name);
      if (flag == nullptr) continue;
      given.push_back(flag);
      if (word == name && value_follows(*flag, words, i)) ++i;
    }
  }
  return given;
}

std::vector<std::string> with_recipe(const Command& app, const std::vector<std::string>& words,
                                     std::vector<RecipeFlag>& added) {
  const size_t at = command_at(app, words);
  const Command* command = at < words.size() ? find_command(app, words[at]) : nullptr;
  const std::string path = value_of(words, "--config");
  if (command == nullptr || path.empty()) return words;
  std::vector<std::string> given_words(words.begin(), words.begin() + static_cast<long>(at));
  given_words.insert(given_words.end(), words.begin() + static_cast<long>(at) + 1, words.end());
  const auto given = options_given(app, *command, given_words);
  for (RecipeFlag& flag : read_recipe(app, *command, path))
    if (std::find(given.begin(), given.end(), flag.option) == given.end())
      added.push_back(std::move(flag));
  std::vector<std::string> all = words;
  for (size_t i = 0; i < added.size(); ++i)
    all.insert(all.begin() + static_cast<long>(at + 1 + i), added[i].word);
  return all;
}

std::string place_of(const std::string& error, const std::vector<RecipeFlag>& added) {
  for (const RecipeFlag& flag : added)
    for (const std::string& name : flag.option->long_names) {
      const size_t at = error.find("--" + name);
      const size_t end = at + 2 + name.size();
      if (at == std::string::npos) continue;
      if (end >= error.size() ||
          (!std::isalnum(static_cast<unsigned char>(error[end])) && error[end] != '-'))
        return flag.place;
    }
  return "";
}

}  // namespace falconer::cli
