// What libFuzzer calls; compiled once for each target, whose function FALCONER_FUZZ_TARGET names.
#include <cstddef>
#include <cstdint>

#include "base/log.h"
#include "base/threads.h"
#include "targets.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  falconer::set_log_level(falconer::LogLevel::kQuiet);
  falconer::set_thread_count(1);  // the same input, the same path
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Not by way of the table: that would link all of them, and libFuzzer looks at all that is linked.
  constexpr falconer::fuzz::Target target{"", falconer::fuzz::FALCONER_FUZZ_TARGET};
  falconer::fuzz::run_target(target, {reinterpret_cast<const char*>(data), size});
  return 0;
}
