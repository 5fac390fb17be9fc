// What devices there can be, in this build.
#pragma once

#include <string>
#include <vector>

namespace falconer {

/// The kinds of devices that this program was built with: "cpu", "cuda".
std::vector<std::string> device_names();

}  // namespace falconer
