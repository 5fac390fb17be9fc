#include "model/config.h"

#include <algorithm>

#include "model/modules.h"

namespace falconer {
namespace {

/// Of a module, as the one LoRA of it or those of its parts.
int64_t lora_on_q_and_v(const ModuleShape& module, int64_t rank) {
  const auto meant = [](std::string_view name) { return name == "q" || name == "v"; };
  if (meant(role_name(module.id.role))) return rank * (module.in + module.out);
  int64_t total = 0;
  for (const SitePart& part : module.parts)
    if (meant(part.name)) total += rank * (module.in + part.count());
  return total;
}

}  // namespace

int64_t adapter_start(int64_t wanted, int64_t layers) {
  return wanted < layers ? wanted : std::min<int64_t>(2, layers - 1);
}

TrainableCounts count_trainable(const ModelConfig& m) {
  constexpr int64_t kLength = 10, kStart = 2, kRank = 8;
  TrainableCounts counts;
  counts.adapter = (m.layers - adapter_start(kStart, m.layers)) * (kLength * m.width + m.heads);
  counts.adapter_v2 = counts.adapter;
  for (const ModuleShape& module : modules_of(m)) {
    const int64_t all = module.out * module.in + (module.bias ? module.out : 0);
    counts.full_head_apart += all;
    if (!module.tied) counts.full += all;
    if (module.id.role == Role::kAttentionNorm || module.id.role == Role::kMlpNorm ||
        module.id.role == Role::kFinalNorm || module.id.role == Role::kSsmNorm)
      counts.adapter_v2 += all;
    if (module.kind != ModuleKind::kLinear) continue;
    counts.adapter_v2 += 2 * module.out;
    counts.lora += lora_on_q_and_v(module, kRank);
  }
  return counts;
}

}  // namespace falconer
