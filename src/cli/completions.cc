// falconer completions SHELL
#include "cli/completions.h"

#include <map>
#include <memory>

#include "base/joined.h"
#include "base/streams.h"
#include "cli/command.h"
#include "falconer/process.h"

namespace falconer::cli {
namespace {

// What may stand for a flag's value.
struct Offer {
  enum Kind { kNothing, kWords, kFiles, kFolders, kPaths } kind = kNothing;
  std::vector<std::string> words;
  bool commas = false;  // several words, with commas between them
};

Offer offer_of(const Flag& flag) {
  const FlagTraits& traits = flag.traits;
  const auto& words = traits.choices.empty() ? traits.offers : traits.choices;
  if (!words.empty()) return {Offer::kWords, words, traits.delimiter != 0};
  switch (traits.kind) {
    case ValueKind::kFile:
      return {Offer::kFiles, {}};
    case ValueKind::kFolder:
      return {Offer::kFolders, {}};
    case ValueKind::kPath:
    case ValueKind::kModel:
    case ValueKind::kAdapter:
    case ValueKind::kData:
      return {Offer::kPaths, {}};
    case ValueKind::kDevice:
      return {Offer::kWords, {"cpu", "cuda", "auto"}};
    default:
      return {};
  }
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

// Flags that say yes, or those that say no.
std::vector<std::string> names_of(const Flag& flag, bool no = false) {
  std::vector<std::string> names;
  for (const std::string& name : flag.short_names)
    if (!no) names.push_back("-" + name);
  for (const std::string& name : flag.long_names)
    if (flag.says_no(name) == no) names.push_back("--" + name);
  return names;
}

const char* help_flag_help() { return "print what there is to say, and exit"; }

std::vector<std::string> command_names(const Command& program) {
  std::vector<std::string> names;
  for (const auto& command : program.commands()) names.push_back(command->name());
  names.emplace_back("help");
  return names;
}

// ---- bash: two functions that know the tables, and one that reads the line.

constexpr const char* kBashHead =
    R"bash(# Completes falconer's command lines in bash. Made by: falconer completions bash

# REPLY: what the value of the flag (or the word in that place) $2 of the command $1 may be. Ends with 1
# where no value follows, with 2 where none need follow.
_falconer_value() {
  REPLY=
  case "$1 $2" in
)bash";

constexpr const char* kBashTail = R"bash(
_falconer() {
  local REPLY= cur=${COMP_WORDS[COMP_CWORD]} command= word= before= i bare=0
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    case $word in
      -*)
        if [[ ${COMP_WORDS[i + 1]} == = ]]; then
          ((i += 2))
        elif _falconer_value "$command" "$word"; then
          ((++i))
        else
          continue
        fi
        ((i >= COMP_CWORD)) || word= ;;
      *) if [[ -z $command ]]; then command=$word; else ((++bare)); fi ;;
    esac
  done
  [[ $cur != = ]] || cur=
  if ((i > COMP_CWORD)); then
    _falconer_value "$command" "$word"
  elif [[ $cur == -* ]]; then
    _falconer_flags "$command"
    REPLY="words $REPLY"
  elif [[ $word != -* ]] || _falconer_value "$command" "$word" || (($? != 2)); then
    _falconer_value "$command" "$((bare + 1))"
  fi
  case $REPLY in
    words\ *) COMPREPLY=($(compgen -W "${REPLY#* }" -- "$cur")) ;;
    list\ *)
      before=${cur%"${cur##*,}"}
      COMPREPLY=($(compgen -P "$before" -W "${REPLY#* }" -- "${cur##*,}"))
      compopt -o nospace 2>/dev/null ;;
    files)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    folders)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
  esac
}
complete -F _falconer falconer
)bash";

std::string bash_reply(const Offer& offer) {
  switch (offer.kind) {
    case Offer::kWords:
      return fmt::format("{} {}", offer.commas ? "list" : "words", joined(offer.words, " "));
    case Offer::kFiles:
    case Offer::kPaths:
      return "files";
    case Offer::kFolders:
      return "folders";
    default:
      return "";
  }
}

// What is said of a value -> the patterns of its places.
using BashCases = std::map<std::string, std::vector<std::string>>;

void add_bash_cases(BashCases& cases, const Command& command, const std::string& place) {
  int positionals = 0;
  for (const Flag& flag : command.flags()) {
    if (!flag.may_take_value()) continue;
    const std::string reply = "REPLY=\"" + bash_reply(offer_of(flag)) + "\"";
    std::vector<std::string>& its =
        cases[flag.traits.optional_value ? reply + "; return 2" : reply];
    for (const std::string& name : names_of(flag))
      its.push_back(fmt::format("{}\" {}\"", place, name));
    if (flag.positional.empty()) continue;
    ++positionals;
    its.push_back(flag.is_list() ? place + "\" \"[0-9]*"
                                 : fmt::format("{}\" {}\"", place, positionals));
  }
}

std::string bash_flags(const Command& command, const Command& program) {
  std::vector<std::string> names = {"--help"};
  for (const Command* one : {&command, &program})
    for (const Flag& flag : one->flags())
      for (const std::string& name : flag.long_names)
        if (name != "version" || one == &command) names.push_back("--" + name);
  return joined(names, " ");
}

std::string bash_script(const Command& program) {
  BashCases cases;
  for (const auto& command : program.commands()) add_bash_cases(cases, *command, command->name());
  add_bash_cases(cases, program, "*");
  const std::vector<std::string> commands = command_names(program);
  cases[fmt::format("REPLY=\"words {}\"", joined(commands, " "))] = {"\" 1\"", "\"help 1\""};
  std::string script = kBashHead;
  for (const auto& [reply, places] : cases)
    script += fmt::format("    {}) {} ;;\n", joined(places, " | \\\n      "), reply);
  script +=
      "    *) return 1 ;;\n  esac\n}\n\n# REPLY: the flags of a command.\n_falconer_flags() {\n  "
      "case $1 in\n";
  for (const auto& command : program.commands())
    script +=
        fmt::format("    {}) REPLY=\"{}\" ;;\n", command->name(), bash_flags(*command, program));
  script += "    help) REPLY=\"--json --man\" ;;\n";
  script += fmt::format("    *) REPLY=\"{}\" ;;\n  esac\n}}\n", bash_flags(program, program));
  return script + kBashTail;
}

// ---- zsh: a list of specifications of its _arguments for each command.

std::string zsh_quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

std::string zsh_action(const Flag& flag) {
  const Offer offer = offer_of(flag);
  switch (offer.kind) {
    case Offer::kWords:
      return (offer.commas ? "_values -s , value " : "(") + joined(offer.words, " ") +
             (offer.commas ? "" : ")");
    case Offer::kFiles:
    case Offer::kPaths:
      return "_files";
    case Offer::kFolders:
      return "_files -/";
    default:
      return " ";
  }
}

void add_zsh_names(std::string& script, const Flag& flag, bool no) {
  const std::vector<std::string> all = names_of(flag), names = names_of(flag, no);
  std::vector<std::string> both = all;
  for (const std::string& name : names_of(flag, true)) both.push_back(name);
  const std::string help = replaced(replaced(flag.help, "[", "\\["), "]", "\\]");
  for (const std::string& name : names) {
    std::string spec = flag.is_list() ? "*" : fmt::format("({})", joined(both, " "));
    spec += name;
    if (flag.may_take_value()) spec += name.starts_with("--") ? "=" : "+";
    spec += fmt::format("[{}{}]", no ? "not: " : "", help);
    if (flag.may_take_value())
      spec += fmt::format("{}{}:{}", flag.traits.optional_value ? "::" : ":",
                          flag.long_names.empty() ? "value" : flag.long_names.front(),
                          zsh_action(flag));
    script += " \\\n      " + zsh_quoted(spec);
  }
}

void add_zsh_flags(std::string& script, const Command& command) {
  int positionals = 0;
  for (const Flag& flag : command.flags()) {
    add_zsh_names(script, flag, false);
    add_zsh_names(script, flag, true);
    if (flag.positional.empty()) continue;
    ++positionals;
    const std::string place = flag.is_list() ? "*" : fmt::format("{}:", positionals);
    script += " \\\n      " +
              zsh_quoted(fmt::format("{}:{}:{}", place, flag.positional, zsh_action(flag)));
  }
}

std::string zsh_script(const Command& program) {
  std::string script =
      "#compdef falconer\n# Completes falconer's command lines in zsh. Made by: falconer "
      "completions zsh\n\n"
      "_falconer_commands() {\n  local -a commands=(\n";
  for (const auto& command : program.commands())
    script += "    " + zsh_quoted(command->name() + ":" + command->help()) + "\n";
  script +=
      "    'help:what a command and its flags are'\n  )\n  _describe command commands\n}\n\n"
      "_falconer() {\n  local curcontext=$curcontext context state state_descr line\n"
      "  typeset -A opt_args\n  local -a everywhere=(";
  std::string everywhere;
  add_zsh_flags(everywhere, program);
  everywhere +=
      " \\\n      " + zsh_quoted(fmt::format("(-h --help){{-h,--help}}[{}]", help_flag_help()));
  everywhere = replaced(everywhere, "'(-h --help){-h,--help}", "'(-h --help)'{-h,--help}'");
  script += replaced(everywhere, " \\\n      ", "\n    ");
  script +=
      "\n  )\n  _arguments -C $everywhere '1: :_falconer_commands' '*:: :->words'\n"
      "  [[ $state == words ]] || return\n  case $line[1] in\n";
  for (const auto& command : program.commands()) {
    script += fmt::format("    {})\n      _arguments $everywhere", command->name());
    add_zsh_flags(script, *command);
    script += " ;;\n";
  }
  return script +
         "    help) _arguments '--json[all commands and flags, as JSON]' "
         "'--man[the manual page]' '1: :_falconer_commands' ;;\n  esac\n}\n\n"
         "if [[ $funcstack[1] == _falconer ]]; then _falconer \"$@\"; else compdef _falconer "
         "falconer; fi\n";
}

// ---- fish: a line for each flag.

std::string fish_quoted(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

std::string fish_value(const Flag& flag) {
  const Offer offer = offer_of(flag);
  switch (offer.kind) {
    case Offer::kWords:
      return (offer.commas ? " -a '(__fish_append , " : " -a '") + joined(offer.words, " ") +
             (offer.commas ? ")'" : "'");
    case Offer::kFiles:
    case Offer::kPaths:
      return " -F";
    case Offer::kFolders:
      return " -a '(__fish_complete_directories)'";
    default:
      return "";
  }
}

// One that takes a value takes no file unless it says so.
std::string fish_flag(const Flag& flag) {
  if (!flag.takes_value()) return "";
  const Offer::Kind kind = offer_of(flag).kind;
  return kind == Offer::kFiles || kind == Offer::kPaths ? " -r" : " -x";
}

void add_fish_flags(std::string& script, const Command& command, const std::string& where) {
  const std::string line = "complete -c falconer" + where;
  for (const Flag& flag : command.flags()) {
    std::string names, no;
    for (const std::string& name : flag.short_names)
      names += (name.size() == 1 ? " -s " : " -o ") + name;
    for (const std::string& name : flag.long_names)
      (flag.says_no(name) ? no : names) += " -l " + name;
    const std::string value = flag.may_take_value() ? fish_value(flag) : "";
    if (!names.empty())
      script += line + names + fish_flag(flag) + value + " -d " + fish_quoted(flag.help) + "\n";
    if (!no.empty()) script += line + no + " -d " + fish_quoted("not: " + flag.help) + "\n";
    if (!flag.positional.empty() && !value.empty()) script += line + value + "\n";
  }
}

std::string fish_script(const Command& program) {
  std::string script =
      "# Completes falconer's command lines in fish. Made by: falconer completions fish\n"
      "complete -c falconer -f\n";
  script += fmt::format("complete -c falconer -s h -l help -d '{}'\n", help_flag_help());
  add_fish_flags(script, program, "");
  const std::string first = "complete -c falconer -n __fish_use_subcommand -a ";
  for (const auto& command : program.commands())
    script += first + command->name() + " -d " + fish_quoted(command->help()) + "\n";
  script += first + "help -d 'what a command and its flags are'\n";
  for (const auto& command : program.commands())
    add_fish_flags(script, *command, " -n '__fish_seen_subcommand_from " + command->name() + "'");
  return script;
}

}  // namespace

const std::vector<std::string>& shells() {
  static const std::vector<std::string> all = {"bash", "fish", "zsh"};
  return all;
}

std::string completions(const Command& program, const std::string& shell) {
  return shell == "bash"  ? bash_script(program)
         : shell == "zsh" ? zsh_script(program)
                          : fish_script(program);
}

void add_completions(Command& command) {
  auto shell = std::make_shared<std::string>();
  command.add("shell", shell.get(), "bash, fish or zsh", {.required = true, .choices = shells()});
  command.does([shell, &command] { print_result(completions(*command.parent(), *shell)); });
}

}  // namespace falconer::cli
