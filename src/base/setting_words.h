// What flags, recipes and the library's settings have in common: names, and whose they are.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"

namespace falconer {

/// "lora_r" and "lora-r" name one setting: its name is the latter.
inline std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

/// Error (usage): the setting `flag` is of the methods `owners` alone, and `method` is none of them.
inline void refuse_of_other_method(const std::string& flag, const std::vector<std::string>& owners,
                                   const std::string& method) {
  if (std::find(owners.begin(), owners.end(), method) != owners.end()) return;
  fail_usage(
      "{} is a setting of {}, and this run's method is {}: it would do nothing; leave it out",
      spelled_name(flag), owners.front(), method);
}

}  // namespace falconer
