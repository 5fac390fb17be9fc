// Commands and their flags as tables: names, where values go, what help says. Every file of this folder
// works on them; parse.cc alone knows who reads a command line.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "falconer/settings.h"

namespace falconer::cli {

/// Where a flag's value goes. Nothing: the parser answers the flag itself (--help, --version).
using FlagValue = std::variant<std::monostate, bool*, int*, int64_t*, uint64_t*, double*,
                               std::string*, std::optional<int64_t>*, std::optional<double>*,
                               std::vector<std::string>*, std::vector<int32_t>*>;

struct FlagTraits {
  bool required = false;
  bool shows_default = false;             // help shows the value that is there before parsing,
  std::string default_text = {};          // or this
  std::vector<std::string> choices = {};  // others are refused, and help lists these
  std::vector<std::string> offers = {};   // what may stand there, for those who complete words
  char delimiter = 0;                     // of a list: "q,v" is two values
  bool one_each = false;        // of a list: a flag has one value, and the next word is no other
  bool optional_value = false;  // the flag may stand alone, and then means default_text
  bool size = false;            // a number of bytes, as "5GB"
  std::string zero_too = {};    // what other programs write for 0
  std::string value_name = {};  // in help, instead of the type's
  ValueKind kind = ValueKind::kText;
  std::string expected = {};              // of a number: "a whole number from 1 to 4096"
  bool open = false;                      // more may stand there than `offers`
  std::vector<std::string> methods = {};  // of finetuning, that it bears on; empty: all
  bool refused_elsewhere = false;         // with another method it would do nothing
};

struct Flag {
  std::string
      names;  // "checkpoint,--checkpoint,-c"; without dashes: may stand alone; "!--no-x": says no
  FlagValue value;
  std::string help;
  FlagTraits traits;
  std::string group;  // in help; empty: no special one

  std::string positional;                // the name without dashes; empty: has none
  std::vector<std::string> long_names;   // without their dashes; those that say no too
  std::vector<std::string> short_names;  // without their dash
  std::vector<std::string> given;        // after parsing: its values in their order

  /// Whether "--name" or "-n" is this flag.
  bool is_named(const std::string& name) const;
  /// Whether `name`, one of long_names, sets it to false.
  bool says_no(const std::string& name) const;
  bool is_switch() const { return std::holds_alternative<bool*>(value); }
  bool is_list() const;
  /// Whether a value must follow, or may.
  bool takes_value() const { return may_take_value() && !traits.optional_value; }
  bool may_take_value() const { return !is_switch() && value.index() != 0; }
};

class Command {
 public:
  explicit Command(std::string name, std::string help = "");
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  const std::string& name() const { return name_; }
  const std::string& help() const { return help_; }

  /// Declares a flag; `value` must outlive the parsing. Flags stay where they are.
  Flag& add(const std::string& names, FlagValue value, std::string help, FlagTraits traits = {});
  /// Under which title help shows the flags that are added from now on.
  void group(std::string title) { group_ = std::move(title); }
  /// What the command does when it was chosen.
  void does(std::function<void()> action) { action_ = std::move(action); }
  void run() const {
    if (action_) action_();
  }
  /// Declares a command of this program.
  Command& add_command(std::string name, std::string help);

  std::deque<Flag>& flags() { return flags_; }
  const std::deque<Flag>& flags() const { return flags_; }
  /// The flag "--name", which must be there.
  Flag& flag(const std::string& name);
  const Flag& flag(const std::string& name) const;
  const std::vector<std::unique_ptr<Command>>& commands() const { return commands_; }
  const Command* parent() const { return parent_; }

  std::function<std::string()> version;  // what --version says; empty: there is no such flag
  std::string footer;                    // what stands below every help text
  std::string recipe;                    // --config

 private:
  std::string name_, help_, group_;
  std::deque<Flag> flags_;
  std::function<void()> action_;
  std::vector<std::unique_ptr<Command>> commands_;
  const Command* parent_ = nullptr;
};

/// The flag of `command` that "--name" means; null where there is none.
const Flag* find_flag(const Command& command, const std::string& name);

/// The command of `program` with that name; null where there is none.
const Command* find_command(const Command& program, const std::string& name);

/// Whether the program or any command has the flag "--name".
bool knows_flag(const Command& program, const std::string& name);

}  // namespace falconer::cli
