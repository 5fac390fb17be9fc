#include "ops/cpu/dots.h"

// Before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
// clang-format on
#include <hwy/targets.h>

#if HWY_ARCH_X86
#include <cpuid.h>
#endif

#include <algorithm>
#include <atomic>

namespace falconer::cpu {
namespace {

std::atomic<Dots>& held_dots() {
  static std::atomic<Dots> held = Dots::kVnni;
  return held;
}

#if HWY_ARCH_X86
// Compilers that are older than the instruction do not know its name.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1u << 4) != 0;
}
#endif

}  // namespace

// A process may be held to less than its CPU has.
Dots best_dots() {
#if HWY_ARCH_X86
  const int64_t targets = hwy::SupportedTargets();
  if ((targets & (HWY_AVX3 | HWY_AVX2)) == 0) return Dots::kPairs;
  const bool vnni =
      (targets & HWY_AVX3) != 0 ? __builtin_cpu_supports("avx512vnni") : has_avx_vnni();
  return std::min(vnni ? Dots::kVnni : Dots::kMaddubs, held_dots().load());
#else
  return Dots::kPairs;
#endif
}

void hold_dots(std::string_view name) {
  held_dots() = name == "pairs" ? Dots::kPairs : name == "maddubs" ? Dots::kMaddubs : Dots::kVnni;
}

}  // namespace falconer::cpu
