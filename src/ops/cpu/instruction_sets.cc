#include "ops/cpu/instruction_sets.h"

// Before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
// clang-format on
#include <hwy/targets.h>

#include "base/error.h"
#include "ops/cpu/onednn.h"

namespace falconer::cpu {
namespace {

using onednn::Isa;

/// Vector code is Highway's, products are oneDNN's.
struct Known {
  std::string name;
  int64_t target = 0;
  Isa isa = Isa::kSse41;
};

std::vector<Known> known_sets() {
  std::vector<Known> all;
  for (int64_t bit = int64_t{1} << 62; bit > 0; bit >>= 1) {  // Highway's better ones are lower
    if ((HWY_TARGETS & bit) == 0) continue;
#ifdef HWY_AVX3
    if (bit == HWY_AVX2) {
      all.push_back({"AVX2", bit, Isa::kAvx2});
      continue;
    }
    if (bit == HWY_AVX3) {
      all.push_back({"AVX512", bit, Isa::kAvx512});
      all.push_back({"AVX512-BF16", bit, Isa::kAvx512Bf16});
      all.push_back({"AMX", bit, Isa::kAmx});
      continue;
    }
#endif
    const std::string name = hwy::TargetName(bit);
    const bool plain = name == "EMU128" || name == "SCALAR";
    // Highway's targets beyond AVX3 are for CPUs with bf16 products.
    const bool beyond = name.starts_with("AVX3");
    all.push_back({plain ? "portable" : name, bit, beyond ? Isa::kAvx512Bf16 : Isa::kSse41});
  }
  return all;
}

}  // namespace

std::vector<InstructionSet> instruction_sets() {
  const int64_t targets = hwy::SupportedTargets();
  std::vector<InstructionSet> all;
  for (const Known& known : known_sets())
    all.push_back({known.name, (targets & known.target) != 0 && onednn::uses(known.isa)});
  return all;
}

void use_instruction_set(const std::string& name) {
  std::string names;
  for (const Known& known : known_sets()) {
    names += (names.empty() ? "" : ", ") + known.name;
    if (known.name != name) continue;
    if ((hwy::SupportedTargets() & known.target) == 0) fail("{} is not on this CPU", name);
    if (!onednn::hold_to(known.isa))
      fail("{}: what products use cannot be chosen any more in this process", name);
    if (!onednn::uses(known.isa)) fail("{} is not on this CPU", name);
    hwy::SetSupportedTargetsForTest(known.target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return;
  }
  fail_usage("there is no instruction set \"{}\" here; there are {}", printable(name), names);
}

}  // namespace falconer::cpu
