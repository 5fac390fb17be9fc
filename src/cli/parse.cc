#include "cli/parse.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <sstream>
#include <type_traits>

#include "base/joined.h"
#include "base/nearest.h"
#include "base/terminal.h"
#include "cli/number_flags.h"

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

  // A value that may be left out: what the flag means then is no default, and stands in its help.
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();  // of a switch empty
    if (!type.empty() && option->get_expected_min() == 0) return " [" + type + "]";
    return CLI::Formatter::make_option_opts(option);
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

CLI::Option* make_option(CLI::App& app, const Flag& flag) {
  return std::visit(
      [&](auto value) -> CLI::Option* {
        if constexpr (std::is_same_v<decltype(value), std::monostate>)
          return app.add_flag(flag.names, flag.help);
        else if constexpr (std::is_same_v<decltype(value), bool*>)
          return app.add_flag(flag.names, *value, flag.help);
        else
          return app.add_option(flag.names, *value, flag.help);
      },
      flag.value);
}

CLI::Validator one_of(const std::vector<std::string>& choices) {
  return {[choices](std::string& text) {
            const bool is_one = std::find(choices.begin(), choices.end(), text) != choices.end();
            return is_one ? std::string() : not_one_of(text, choices);
          },
          fmt::format("{{{}}}", joined(choices, ","))};
}

CLI::Option* add_flag(CLI::App& app, const Flag& flag) {
  CLI::Option* option = make_option(app, flag);
  const FlagTraits& traits = flag.traits;
  if (!flag.group.empty()) option->group(flag.group);
  if (traits.delimiter != 0) option->delimiter(traits.delimiter);
  if (traits.one_each) option->allow_extra_args(false);
  if (traits.optional_value) option->expected(0, 1);
  if (traits.size) option->transform(CLI::Validator(to_bytes, ""));
  if (!traits.choices.empty()) option->check(one_of(traits.choices));
  if (!traits.zero_too.empty())
    option->transform(CLI::Validator(
        [other = traits.zero_too](std::string& text) {
          if (text == other) text = "0";
          return std::string();
        },
        ""));
  if (!traits.value_name.empty()) option->type_name(traits.value_name);
  if (traits.shows_default) option->capture_default_str();
  if (!traits.default_text.empty()) option->default_str(traits.default_text);
  if (traits.required) option->required();
  if (flag.may_take_value())
    option->check(
        CLI::Validator([&flag](std::string& text) { return number_problem(flag, text); }, ""));
  if (flag.may_take_value() && !flag.is_list()) option->take_last();
  return option;
}

// A table of commands as CLI11 has it, and back.
class Parser {
 public:
  explicit Parser(Command& program) : app_(program.help(), program.name()) {
    const auto style = std::make_shared<HelpStyle>();
    style->label("SUBCOMMAND", "COMMAND");
    app_.formatter(style);
    if (program.version) app_.set_version_flag("-V,--version", program.version);
    if (!program.commands().empty()) app_.require_subcommand(1);
    app_.fallthrough();
    add_flags(app_, program);
    for (const auto& command : program.commands()) {
      CLI::App* app = app_.add_subcommand(command->name(), command->help());
      app->group("Commands");
      add_flags(*app, *command);
      commands_.push_back({app, command.get()});
    }
  }

  Parsed parse(const std::vector<std::string>& words) {
    try {
      app_.parse(std::vector(words.rbegin(), words.rend()));  // the last one first
    } catch (const CLI::Success& success) {                   // --help, --version
      std::ostringstream said;
      app_.exit(success, said, said);
      return {.text = said.str()};
    } catch (const CLI::ParseError& error) {
      throw WrongCommandLine(error.what());
    }
    for (const auto& [option, flag] : flags_) flag->given = option->results();
    for (const auto& [app, command] : commands_)
      if (app->parsed()) return {.command = command};
    return {};
  }

  std::string help() const { return app_.help(); }

 private:
  void add_flags(CLI::App& app, Command& command) {
    if (!command.footer.empty()) app.footer(command.footer);
    for (Flag& flag : command.flags())
      if (flag.value.index() != 0) flags_.emplace_back(add_flag(app, flag), &flag);
  }

  CLI::App app_;
  std::vector<std::pair<CLI::Option*, Flag*>> flags_;
  std::vector<std::pair<CLI::App*, const Command*>> commands_;
};

}  // namespace

Parsed parse(Command& program, const std::vector<std::string>& words) {
  return Parser(program).parse(words);
}

std::string help_text(Command& program) { return Parser(program).help(); }

}  // namespace falconer::cli
