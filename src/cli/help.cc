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
  std::string said = command.name() + " has no flag " + name;
  if (std::string near = did_you_mean(dashed(name), names); !near.empty()) return said + near;
  // "--adapter" is the end of "--init-adapter": what that is for says whether it was meant.
  const std::string end = dashed(name).substr(std::min<size_t>(1, name.size()));
  std::vector<const Flag*> longer;
  for (const Flag& flag : command.flags())
    for (const std::string& long_name : flag.long_names)
      if (long_name.ends_with(end) && !flag.says_no(long_name)) longer.push_back(&flag);
  if (longer.size() != 1) return said;
  return said + "; did you mean --" + longer.front()->long_names.front() + " (" +
         longer.front()->help + ")?";
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
