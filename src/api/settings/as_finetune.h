// Rows of settings that several commands have.
#pragma once

#include <string>
#include <vector>

#include "api/settings/settings.h"

namespace falconer {

/// The row of that name, which must be there.
SettingRow find_in(const std::vector<SettingRow>& rows, const std::string& name);
/// A row of finetune's with another place for the value, and other help where that is given.
SettingRow as_finetune(const char* name, SettingValue value, const char* help = nullptr);

}  // namespace falconer
