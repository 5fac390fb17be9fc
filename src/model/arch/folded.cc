#include "model/arch/folded.h"

#include <algorithm>

#include "base/error.h"

namespace falconer {
namespace {

/// Of z, x, B, C and dt.
std::vector<FoldedRows> ssm_parts(const SsmConfig& ssm, const ModuleShape& module) {
  FALCONER_CHECK(module.parts.size() == ssm.part_scales.size());
  std::vector<FoldedRows> all;
  for (size_t i = 0; i < module.parts.size(); ++i)
    for (const RowRange& range : module.parts[i].rows)
      all.push_back({range, ssm.in_scale, ssm.part_scales[i]});
  return all;
}

std::vector<FoldedRows> factors_of(const ModelConfig& m, const ModuleShape& module) {
  const RowRange all{0, module.out};
  switch (module.id.role) {
    case Role::kEmbedding:
      return {{all, 1, m.embedding_scale}};
    case Role::kQ:
    case Role::kV:
      return {{all, m.attention_in_scale, 1}};
    case Role::kK:
      return {{all, m.attention_in_scale, m.key_scale}};
    case Role::kDense:
      return {{all, 1, m.attention_out_scale}};
    case Role::kGate:
      return {{all, 1, m.gate_scale}};
    case Role::kDown:
      return {{all, 1, m.down_scale}};
    case Role::kSsmIn:
      return ssm_parts(m.ssm, module);
    case Role::kSsmOut:
      return {{all, 1, m.ssm.out_scale}};
    case Role::kHead:
      return {{all, 1, m.tied_head ? m.embedding_scale : m.logit_scale}};
    case Role::kFinalNorm:  // a tied head is the embedding with that one's factor
      return {{all, 1, m.tied_head ? m.logit_scale / m.embedding_scale : 1}};
    default:
      return {};
  }
}

}  // namespace

std::vector<FoldedRows> folded_rows(const ModelConfig& config, const ModuleShape& module) {
  if (config.family != "falcon_h1") return {};
  std::vector<FoldedRows> all = factors_of(config, module);
  const bool changes = std::any_of(
      all.begin(), all.end(), [](const FoldedRows& one) { return one.read != 1 || one.made != 1; });
  return changes ? all : std::vector<FoldedRows>();
}

const FoldedRows* folded_at(const std::vector<FoldedRows>& all, int64_t row) {
  for (const FoldedRows& one : all)
    if (row >= one.rows.begin && row < one.rows.begin + one.rows.count) return &one;
  return nullptr;
}

}  // namespace falconer
