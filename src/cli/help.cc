#include "cli/help.h"

#include <algorithm>
#include <memory>

#include "base/nearest.h"
#include "base/terminal.h"

namespace falconer::cli {
namespace {

class HelpStyle : public CLI::Formatter {
 public:
  // CLI11 shows what a negated flag stands for: "--mask-prompt,--no-mask-prompt{false}".
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, positional);
    for (size_t at; (at = name.find("{false}")) != std::string::npos;) name.erase(at, 7);
    for (size_t at = 0; (at = name.find(',', at)) != std::string::npos; at += 2)
      name.insert(at + 1, " ");
    return name;
  }

  std::string make_option(const CLI::Option* option, bool positional) const override {
    return entry(make_option_name(option, positional) + make_option_opts(option),
                 make_option_desc(option));
  }

  std::string make_subcommand(const CLI::App* command) const override {
    return entry(command->get_display_name(true), command->get_description());
  }

  std::string make_group(std::string group, bool positional,
                         std::vector<const CLI::Option*> options) const override {
    std::string text = "\n" + bold(group + ":") + "\n";
    for (const CLI::Option* option : options) text += make_option(option, positional);
    return text;
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    return wrapped(CLI::Formatter::make_usage(app, name), columns());
  }

  std::string make_description(const CLI::App* app) const override {
    return wrapped(app->get_description() + "\n", columns(), 0);
  }

  std::string make_footer(const CLI::App* app) const override {
    return wrapped(CLI::Formatter::make_footer(app), columns(), 0);
  }

 private:
  // As wide as the terminal where it is narrow; long lines are hard to read.
  static size_t columns() { return std::min<size_t>(output_look().columns, 100); }

  // A name and, from a column on, what it means; below the name where that is long.
  static std::string entry(const std::string& name, const std::string& meaning) {
    const size_t width = columns(), column = width < 60 ? 6 : 30;
    std::string head = wrapped("  " + name + "\n", width);
    head.pop_back();
    const std::string text = wrapped(std::string(column, ' ') + meaning + "\n", width, column);
    if (head.size() + 1 < column) return head + text.substr(head.size());
    return head + "\n" + text;
  }
};

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
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

namespace {

std::string unknown_command(const CLI::App& app, const std::string& name) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  return "there is no command \"" + name + "\"" + did_you_mean(name, names);
}

std::string unknown_flag(const CLI::App& app, const CLI::App& command, const std::string& name) {
  std::vector<std::string> names;
  for (const CLI::App* one : {&command, &app})
    for (const CLI::Option* option : one->get_options())
      for (const std::string& flag : option->get_lnames()) names.push_back("--" + flag);
  return command.get_name() + " has no flag " + name + did_you_mean(name, names);
}

}  // namespace

void set_help_style(CLI::App& app) {
  const auto style = std::make_shared<HelpStyle>();
  style->label("SUBCOMMAND", "COMMAND");
  app.formatter(style);
}

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
