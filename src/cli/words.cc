#include "cli/words.h"

#include <algorithm>
#include <filesystem>

#include "base/nearest.h"
#include "base/setting_words.h"
#include "base/terminal.h"
#include "cli/other_names.h"

namespace falconer::cli {

bool is_method(const std::string& word) {
  const std::vector<std::string>& methods = finetuning_methods();
  return std::find(methods.begin(), methods.end(), word) != methods.end();
}

bool value_follows(const Flag& flag, const std::vector<std::string>& words, size_t at) {
  if (flag.takes_value()) return true;
  if (!flag.may_take_value() || words[at].find('=') != std::string::npos || at + 1 == words.size())
    return false;
  const std::string& next = words[at + 1];
  return !next.starts_with("-") && !is_method(next);
}

namespace {

// `bare` gets the place of each word that is no flag and no flag's value, the command but once in
// `command`; `named` that of each flag.
template <class Bare, class Named>
void walk(const Command& app, const Command*& command, const std::vector<std::string>& words,
          Bare&& bare, Named&& named) {
  command = nullptr;
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    const std::string& word = words[i];
    if (word.size() < 2 || word[0] != '-') {
      if (command == nullptr)
        command = find_command(app, word);
      else
        bare(i);
      continue;
    }
    named(i);
    const Flag* flag = command != nullptr ? find_flag(*command, word) : nullptr;
    if (flag == nullptr) flag = find_flag(app, word);
    if (flag != nullptr && value_follows(*flag, words, i)) ++i;
  }
}

}  // namespace

std::vector<size_t> bare_words(const Command& app, const Command*& command,
                               const std::vector<std::string>& words) {
  std::vector<size_t> places;
  walk(
      app, command, words, [&](size_t at) { places.push_back(at); }, [](size_t) {});
  return places;
}

std::vector<std::string> flag_names(const Command& app, const std::vector<std::string>& words) {
  std::vector<std::string> names;
  const Command* command = nullptr;
  walk(
      app, command, words, [](size_t) {},
      [&](size_t at) { names.push_back(words[at].substr(0, words[at].find('='))); });
  return names;
}

namespace {

// Flags are accepted with - and _ alike: "--max_steps=3" is "--max-steps=3".
void make_dashes(const Command& app, std::string& word) {
  if (!word.starts_with("--")) return;
  const size_t end = std::min(word.find('='), word.size());
  const std::string name = dashed(word.substr(0, end));
  if (knows_flag(app, name)) word.replace(0, end, name);
}

// A recipe has a method: the only word beside it that is none is the model.
void place_checkpoint(const Command& app, std::vector<std::string>& words) {
  const Command* command = nullptr;
  const std::vector<size_t> bare = bare_words(app, command, words);
  if (command == nullptr || find_flag(*command, "--method") == nullptr || bare.size() != 1) return;
  const bool has_method = std::any_of(words.begin(), words.end(), [](const std::string& word) {
    const std::string name = word.substr(0, word.find('='));
    return name == "--config" || name == "--method";
  });
  std::string& word = words[bare.front()];
  std::error_code error;
  const bool mistyped =
      !nearest_name(word, finetuning_methods(), 1).empty() && !std::filesystem::exists(word, error);
  if (has_method && !is_method(word) && !mistyped) word = "--checkpoint=" + word;
}

}  // namespace

std::vector<std::string> words_of(const Command& app, int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  for (std::string& word : words) make_dashes(app, word);
  words = with_our_names(app, std::move(words));
  // --resume may stand alone: a method's name behind it is the method, not a folder.
  for (size_t i = 0; i + 1 < words.size(); ++i)
    if (words[i] == "--resume" && is_method(words[i + 1])) words[i] = "--resume=auto";
  place_checkpoint(app, words);
  return words;
}

std::vector<std::string> repeats_in(const Command& app) {
  std::vector<std::string> lines;
  for (const Flag& flag : app.flags()) {
    const auto& values = flag.given;
    if (flag.is_list() || flag.long_names.empty() ||
        std::equal(values.begin() + !values.empty(), values.end(), values.begin()))
      continue;
    lines.push_back("--" + flag.long_names.front() + " is given " + std::to_string(values.size()) +
                    " times; the last counts, " + without_controls(values.back()));
  }
  for (const auto& command : app.commands())
    for (const std::string& line : repeats_in(*command)) lines.push_back(line);
  return lines;
}

std::string overruled_in(const Command& app, const std::vector<std::string>& typed) {
  const Command* command = nullptr;
  bare_words(app, command, typed);
  const Flag* steps = command != nullptr ? find_flag(*command, "--max-steps") : nullptr;
  const std::vector<std::string> names = flag_names(app, typed);
  const auto is_typed = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (steps == nullptr || !is_typed("--max-steps")) return "";
  const std::string& count = steps->given.back();
  const bool none = count == "0" || count == "-1";
  if (none && !is_typed("--epochs"))
    return "--max-steps " + without_controls(count) +
           " sets no number of steps: the run is as long as --epochs says, or its default";
  if (none || !is_typed("--epochs")) return "";
  return "--max-steps " + without_controls(count) + " says how long the run is, and --epochs " +
         without_controls(find_flag(*command, "--epochs")->given.back()) +
         " does not count beside it";
}

}  // namespace falconer::cli
