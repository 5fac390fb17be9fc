#include "cli/flags.h"

#include <algorithm>
#include <stdexcept>

namespace falconer::cli {
namespace {

// "a,--b,-c,!--no-b" to the names of each kind.
void split_names(Flag& flag) {
  for (size_t at = 0; at <= flag.names.size();) {
    const size_t end = std::min(flag.names.find(',', at), flag.names.size());
    std::string name = flag.names.substr(at, end - at);
    at = end + 1;
    if (name.starts_with("!")) name.erase(0, 1);
    if (name.starts_with("--"))
      flag.long_names.push_back(name.substr(2));
    else if (name.starts_with("-"))
      flag.short_names.push_back(name.substr(1));
    else
      flag.positional = name;
  }
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool Flag::is_named(const std::string& name) const {
  if (name.size() > 2 && name.starts_with("--")) return holds(long_names, name.substr(2));
  return name.size() > 1 && name.starts_with("-") && holds(short_names, name.substr(1));
}

bool Flag::says_no(const std::string& name) const {
  return ("," + names + ",").find(",!--" + name + ",") != std::string::npos;
}

bool Flag::is_list() const {
  return std::holds_alternative<std::vector<std::string>*>(value) ||
         std::holds_alternative<std::vector<int32_t>*>(value);
}

Command::Command(std::string name, std::string help)
    : name_(std::move(name)), help_(std::move(help)) {
  add("-h,--help", {}, "Print this help message and exit");
}

Flag& Command::add(const std::string& names, FlagValue value, std::string help, FlagTraits traits) {
  Flag flag{.names = names,
            .value = value,
            .help = std::move(help),
            .traits = std::move(traits),
            .group = group_};
  split_names(flag);
  flags_.push_back(std::move(flag));
  return flags_.back();
}

Command& Command::add_command(std::string name, std::string help) {
  commands_.push_back(std::make_unique<Command>(std::move(name), std::move(help)));
  commands_.back()->parent_ = this;
  return *commands_.back();
}

const Flag& Command::flag(const std::string& name) const {
  const Flag* found = find_flag(*this, name);
  if (found == nullptr) throw std::logic_error(name_ + " has no flag " + name);
  return *found;
}

Flag& Command::flag(const std::string& name) {
  return const_cast<Flag&>(std::as_const(*this).flag(name));
}

const Command* find_command(const Command& program, const std::string& name) {
  for (const auto& command : program.commands())
    if (command->name() == name) return command.get();
  return nullptr;
}

const Flag* find_flag(const Command& command, const std::string& name) {
  for (const Flag& flag : command.flags())
    if (flag.is_named(name)) return &flag;
  return nullptr;
}

bool knows_flag(const Command& program, const std::string& name) {
  if (find_flag(program, name) != nullptr) return true;
  return std::any_of(program.commands().begin(), program.commands().end(),
                     [&](const auto& command) { return find_flag(*command, name) != nullptr; });
}

}  // namespace falconer::cli
