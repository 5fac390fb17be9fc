// Flags that are made from the library's table of settings (falconer/settings.h).
#pragma once

#include <string>
#include <vector>

#include "cli/flags.h"
#include "falconer/settings.h"

namespace falconer::cli {

/// A flag as the setting says, whose value goes where the setting's is. `bare`: what help calls the value
/// where it stands without its flag; empty: it must not.
Flag& add_setting(Command& command, const Setting& setting, const std::string& bare = "");

/// A flag that finetune has too, with its names, help and range; the value goes to `value`.
Flag& add_as_finetune(Command& command, const std::string& name, const SettingValue& value,
                      const std::string& bare = "");

/// What finetune and plan take as METHOD.
const std::vector<std::string>& finetuning_methods();

}  // namespace falconer::cli
