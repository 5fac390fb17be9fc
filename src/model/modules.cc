#include "model/modules.h"

#include <fmt/core.h>

#include "base/error.h"
#include "model/block.h"

namespace falconer {

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kEmbedding:
      return "embedding";
    case Role::kAttentionNorm:
      return "attention_norm";
    case Role::kAttentionNormBehind:
      return "attention_norm_behind";
    case Role::kMlpNorm:
      return "mlp_norm";
    case Role::kMlpNormBehind:
      return "mlp_norm_behind";
    case Role::kQkv:
      return "qkv";
    case Role::kQ:
      return "q";
    case Role::kK:
      return "k";
    case Role::kV:
      return "v";
    case Role::kQNorm:
      return "q_norm";
    case Role::kKNorm:
      return "k_norm";
    case Role::kDense:
      return "o";
    case Role::kGateUp:
      return "gate_up";
    case Role::kGate:
      return "gate";
    case Role::kUp:
      return "up";
    case Role::kDown:
      return "down";
    case Role::kSsmIn:
      return "in_proj";
    case Role::kSsmConv:
      return "conv1d";
    case Role::kSsmDecay:
      return "A_log";
    case Role::kSsmSkip:
      return "D";
    case Role::kSsmTimeBias:
      return "dt_bias";
    case Role::kSsmNorm:
      return "ssm_norm";
    case Role::kSsmOut:
      return "out_proj";
    case Role::kFinalNorm:
      return "final_norm";
    case Role::kHead:
      return "head";
  }
  throw InternalError("a role without a name");
}

int64_t SitePart::count() const {
  int64_t total = 0;
  for (const Range& range : rows) total += range.count;
  return total;
}

const char* weight_end(ModuleKind kind) { return kind == ModuleKind::kVector ? "" : ".weight"; }

std::vector<int64_t> weight_shape(const ModuleShape& module) {
  if (module.kind == ModuleKind::kNorm || module.kind == ModuleKind::kVector) return {module.out};
  if (module.kind == ModuleKind::kConv) return {module.out, 1, module.in};
  return {module.out, module.in};
}

void declare_modules(const ModelConfig& config, const ModuleVisitor& visit) {
  const auto outside = [](Role role) { return ModuleId{ModuleId::kOutside, role}; };
  visit({.id = outside(Role::kEmbedding),
         .kind = ModuleKind::kTable,
         .out = config.vocab,
         .in = config.width});
  for (int64_t layer = 0; layer < config.layers; ++layer) Block::declare(config, layer, visit);
  visit(Norm::declared(config, outside(Role::kFinalNorm)));
  visit({.id = outside(Role::kHead),
         .out = config.vocab,
         .in = config.width,
         .tied = config.tied_head});
}

std::vector<ModuleShape> modules_of(const ModelConfig& config) {
  std::vector<ModuleShape> all;
  declare_modules(config, [&](const ModuleShape& module) { all.push_back(module); });
  return all;
}

std::string ModuleNames::operator()(const ModuleId& id) const {
  const auto found = of_role.find(id.role);
  if (found == of_role.end())
    throw InternalError(fmt::format("a format without a name for {}", role_name(id.role)));
  if (id.layer == ModuleId::kOutside) return found->second;
  return fmt::format("{}{}.{}", layers, id.layer, found->second);
}

}  // namespace falconer
