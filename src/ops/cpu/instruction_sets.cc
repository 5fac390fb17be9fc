#include "ops/cpu/instruction_sets.h"

// Before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
// clang-format on
#include <hwy/targets.h>

#include <dnnl.hpp>

#include "base/error.h"

namespace falconer::cpu {
namespace {

using dnnl::cpu_isa;

/// Vector code is Highway's, products are oneDNN's.
struct Known {
  std::string name;
  int64_t target = 0;
  cpu_isa isa = cpu_isa::sse41;
};

std::vector<Known> known_sets() {
  std::vector<Known> all;
  for (int64_t bit = int64_t{1} << 62; bit > 0; bit >>= 1) {  // Highway's better ones are lower
    if ((HWY_TARGETS & bit) == 0) continue;
#ifdef HWY_AVX3
    if (bit == HWY_AVX2) {
      all.push_back({"AVX2", bit, cpu_isa::avx2});
      continue;
    }
    if (bit == HWY_AVX3) {
      all.push_back({"AVX512", bit, cpu_isa::avx512_core});
      all.push_back({"AVX512-BF16", bit, cpu_isa::avx512_core_bf16});
      all.push_back({"AMX", bit, cpu_isa::avx512_core_amx});
      continue;
    }
#endif
    const std::string name = hwy::TargetName(bit);
    const bool plain = name == "EMU128" || name == "SCALAR";
    // Highway's targets beyond AVX3 are for CPUs with bf16 products.
    const bool beyond = name.starts_with("AVX3");
    all.push_back(
        {plain ? "portable" : name, bit, beyond ? cpu_isa::avx512_core_bf16 : cpu_isa::sse41});
  }
  return all;
}

// oneDNN's instruction sets are bits, and those of a better one include the lesser's.
bool includes(cpu_isa has, cpu_isa wanted) {
  const auto bits = static_cast<unsigned>(wanted);
  return (static_cast<unsigned>(has) & bits) == bits;
}

}  // namespace

std::vector<InstructionSet> instruction_sets() {
  const int64_t targets = hwy::SupportedTargets();
  const cpu_isa products = dnnl::get_effective_cpu_isa();
  std::vector<InstructionSet> all;
  for (const Known& known : known_sets())
    all.push_back({known.name, (targets & known.target) != 0 && includes(products, known.isa)});
  return all;
}

void use_instruction_set(const std::string& name) {
  std::string names;
  for (const Known& known : known_sets()) {
    names += (names.empty() ? "" : ", ") + known.name;
    if (known.name != name) continue;
    if ((hwy::SupportedTargets() & known.target) == 0) fail("{} is not on this CPU", name);
    if (dnnl::set_max_cpu_isa(known.isa) != dnnl::status::success)
      fail("{}: what products use cannot be chosen any more in this process", name);
    if (dnnl::get_effective_cpu_isa() != known.isa) fail("{} is not on this CPU", name);
    hwy::SetSupportedTargetsForTest(known.target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return;
  }
  fail_usage("there is no instruction set \"{}\" here; there are {}", printable(name), names);
}

}  // namespace falconer::cpu
