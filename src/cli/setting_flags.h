// Flags that are made from the library's tables of settings (falconer/settings.h).
#pragma once

#include <string>
#include <vector>

#include "cli/flags.h"
#include "falconer/settings.h"

namespace falconer::cli {

/// A flag as the setting says, whose value goes where the setting's is.
Flag& add_setting(Command& command, const Setting& setting);

/// A flag for each of `settings` that the command has not yet, in their order, up to and with `last`; all
/// where that is empty.
void add_settings(Command& command, const std::vector<Setting>& settings,
                  const std::string& last = "");

/// A flag that finetune has too, with its names and help; the value goes to `value`.
Flag& add_as_finetune(Command& command, const std::string& name, const SettingValue& value);

/// What finetune and plan take as METHOD.
const std::vector<std::string>& finetuning_methods();

}  // namespace falconer::cli
