#include "cli/help.h"

#include <algorithm>
#include <memory>
#include <numeric>

namespace falconer::cli {
namespace {

class HelpStyle : public CLI::Formatter {
 public:
  // CLI11 shows what a negated flag stands for: "--mask-prompt,--no-mask-prompt{false}".
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, positional);
    for (size_t at; (at = name.find("{false}")) != std::string::npos;) name.erase(at, 7);
    return name;
  }
};

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// Letters to add, drop or replace to make b of a.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1])});
      corner = above;
    }
  }
  return row.back();
}

}  // namespace

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : commands_of(app))
    if (command->get_name() == name) return command;
  return nullptr;
}

const CLI::Option* find_flag(const CLI::App& app, const std::string& name) {
  for (const CLI::Option* option : app.get_options())
    if (option->check_name(name)) return option;
  return nullptr;
}

std::string suggestion(const std::string& name, const std::vector<std::string>& names) {
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  std::string nearest;
  for (const std::string& one : names)
    if (const size_t d = distance(name, one); d < least) {
      least = d;
      nearest = one;
    }
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

namespace {

std::string unknown_command(const CLI::App& app, const std::string& name) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  return "there is no command \"" + name + "\"" + suggestion(name, names);
}

std::string unknown_flag(const CLI::App& app, const CLI::App& command, const std::string& name) {
  std::vector<std::string> names;
  for (const CLI::App* one : {&command, &app})
    for (const CLI::Option* option : one->get_options())
      for (const std::string& flag : option->get_lnames()) names.push_back("--" + flag);
  return command.get_name() + " has no flag " + name + suggestion(name, names);
}

}  // namespace

void set_help_style(CLI::App& app) { app.formatter(std::make_shared<HelpStyle>()); }

bool knows_flag(const CLI::App& app, const std::string& name) {
  if (find_flag(app, name) != nullptr) return true;
  const std::vector<const CLI::App*> commands = commands_of(app);
  return std::any_of(commands.begin(), commands.end(),
                     [&](const CLI::App* command) { return find_flag(*command, name) != nullptr; });
}

std::string explain(const CLI::App& app, const std::vector<std::string>& words,
                    const CLI::ParseError& error) {
  const CLI::App* command = &app;
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
      const CLI::Option* flag = find_flag(*command, name);
      if (flag == nullptr) flag = find_flag(app, name);
      if (flag == nullptr)
        what = unknown_flag(app, *command, name);
      else if (word == name && flag->get_items_expected_min() > 0)
        ++i;  // its value
    }
  }
  const std::string help = command == &app ? "falconer" : "falconer " + command->get_name();
  return (what.empty() ? error.what() : what) + "\nTry '" + help + " --help'.";
}

}  // namespace falconer::cli
