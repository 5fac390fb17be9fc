// What this build of the library is, for whoever reports a mistake in it.
#pragma once

#include <string>
#include <vector>

namespace falconer {

struct BuildInfo {
  std::string compiler;                       // "GCC 12.2.0"
  std::vector<std::string> instruction_sets;  // that products may use on this CPU, the best last
  std::vector<std::string> devices;           // that were built in: "cpu", "cuda"
};
/// Fixes what products use in this process: the best that they may.
BuildInfo build_info();

}  // namespace falconer
