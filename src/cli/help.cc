#include "cli/help.h"

#include <algorithm>

#include "base/nearest.h"
#include "base/setting_words.h"

namespace falconer::cli {
namespace {

std::string unknown_command(const Command& app, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& command : app.commands()) names.push_back(command->name());
  return "there is no command \"" + name + "\"" + did_you_mean(name, names);
}

std::string unknown_flag(const Command& app, const Command& command, const std::string& name) {
  std::vector<std::string> names;
  for (const Command* one : {&command, &app})
    for (const Flag& flag : one->flags())
      for (const std::string& long_name : flag.long_names) names.push_back("--" + long_name);
  return command.name() + " has no flag " + name + did_you_mean(dashed(name), names);
}

}  // namespace

std::string explain(const Command& app, const std::vector<std::string>& words,
                    const std::string& error) {
  const Command* command = &app;
  std::string what;
  for (size_t i = 0; i < words.size() && what.empty(); ++i) {
    const std::string& word = words[i];
    if (word == "--") break;
    if (!word.starts_with("-") || word.size() < 2) {
      if (command != &app) continue;
      command = find_command(app, word);
      if (command != nullptr) continue;
      command = &app;
      what = unknown_command(app, word);
    } else {
      const std::string name = word.substr(0, word.find('='));
      const Flag* flag = find_flag(*command, name);
      if (flag == nullptr) flag = find_flag(app, name);
      if (flag == nullptr)
        what = unknown_flag(app, *command, name);
      else if (word == name && flag->takes_value())
        ++i;  // its value
    }
  }
  const std::string help = command == &app ? "falconer" : "falconer " + command->name();
  if (what.empty()) what = error;
  // The parser puts a colon between a flag and what is said of its value: "--method: is "lroa", ...".
  if (const size_t at = what.find(": is \""); at != std::string::npos) what.erase(at, 1);
  return what + "\nTry '" + help + " --help'.";
}

}  // namespace falconer::cli
