#include "model/arch/other_names.h"

#include <algorithm>

#include "base/error.h"

namespace falconer {
namespace {

bool is_qkv(Role role) {
  return role == Role::kQkv || role == Role::kQ || role == Role::kK || role == Role::kV;
}

ModuleNames lit_names(const ModelConfig& config, const char* qkv) {
  const bool plain = config.mlp == ModelConfig::MlpKind::kPlain;
  ModuleNames names{.layers = "transformer.h.",
                    .of_role = {{Role::kEmbedding, "transformer.wte"},
                                {Role::kAttentionNorm, "norm_1"},
                                {Role::kAttentionNormBehind, "post_attention_norm"},
                                {Role::kMlpNorm, "norm_2"},
                                {Role::kMlpNormBehind, "post_mlp_norm"},
                                {Role::kQkv, qkv},
                                {Role::kQ, qkv},
                                {Role::kK, qkv},
                                {Role::kV, qkv},
                                {Role::kQNorm, "attn.norm_q"},
                                {Role::kKNorm, "attn.norm_k"},
                                {Role::kDense, "attn.proj"},
                                {Role::kGate, "mlp.fc_1"},
                                {Role::kUp, plain ? "mlp.fc" : "mlp.fc_2"},
                                {Role::kDown, "mlp.proj"},
                                {Role::kFinalNorm, "transformer.ln_f"},
                                {Role::kHead, "lm_head"}}};
  // It has no state space mixer: an Adapter v2's own files have the family's names for it.
  if (config.ssm.heads > 0) names.of_role.merge(architecture(config.family).names(config).of_role);
  return names;
}

// Of Falcon's two norms "attn_norm" is the MLP's, and attention reads "attn_norm_2".
ModuleNames llama_cpp_names(const ModelConfig& config) {
  const bool falcon = config.family == "falcon";
  return {.layers = "blk.",
          .of_role = {
              {Role::kEmbedding, "token_embd"},
              {Role::kAttentionNorm, falcon && !config.shared_norm ? "attn_norm_2" : "attn_norm"},
              {Role::kAttentionNormBehind, "post_attention_norm"},
              {Role::kMlpNorm, falcon ? "attn_norm" : "ffn_norm"},
              {Role::kMlpNormBehind, "post_ffw_norm"},
              {Role::kQkv, "attn_qkv"},
              {Role::kQ, "attn_q"},
              {Role::kK, "attn_k"},
              {Role::kV, "attn_v"},
              {Role::kQNorm, "attn_q_norm"},
              {Role::kKNorm, "attn_k_norm"},
              {Role::kDense, "attn_output"},
              {Role::kGateUp, "ffn_up"},
              {Role::kGate, "ffn_gate"},
              {Role::kUp, "ffn_up"},
              {Role::kDown, "ffn_down"},
              {Role::kSsmIn, "ssm_in"},
              {Role::kSsmConv, "ssm_conv1d"},
              {Role::kSsmDecay, "ssm_a"},
              {Role::kSsmSkip, "ssm_d"},
              {Role::kSsmTimeBias, "ssm_dt.bias"},
              {Role::kSsmNorm, "ssm_norm"},
              {Role::kSsmOut, "ssm_out"},
              {Role::kFinalNorm, "output_norm"},
              {Role::kHead, "output"}}};
}

ModuleNames names_in(OtherFormat format, const ModelConfig& config) {
  switch (format) {
    case OtherFormat::kLitGpt:
      return lit_names(config, "attn.qkv");
    case OtherFormat::kLitParrot:
      return lit_names(config, "attn.attn");
    case OtherFormat::kGguf:
      return llama_cpp_names(config);
  }
  throw InternalError("a format without names");
}

// llama.cpp rotates neighbours of a LLaMA's heads where Hugging Face's files have the two halves of a head: row
// 2i there is row i here, and row 2i + 1 is row i + D/2.
std::vector<RowRange> by_pairs(int64_t rows, int64_t head_size) {
  std::vector<RowRange> order;
  order.reserve(static_cast<size_t>(rows));
  for (int64_t head = 0; head < rows; head += head_size)
    for (int64_t i = 0; i < head_size / 2; ++i)
      for (const int64_t row : {head + i, head + i + head_size / 2}) order.push_back({row, 1});
  return order;
}

bool turns_pairs(OtherFormat format, const ModelConfig& config, Role role) {
  const bool llama = config.family == "llama" || config.family == "mistral";
  return format == OtherFormat::kGguf && llama && (role == Role::kQ || role == Role::kK);
}

OtherModule alone(const ModuleShape& module, std::string name) {
  OtherModule one{
      .name = std::move(name), .kind = module.kind, .parts = {{module.id, {{0, module.out}}}}};
  if (module.kind == ModuleKind::kVector) one.end = "";
  return one;
}

/// As llama.cpp has what its own converter reshapes, turns into another number, or names without ".weight".
void take_form_of_h1(const ModelConfig& config, const ModuleShape& module, OtherModule& one) {
  const SsmConfig& ssm = config.ssm;
  switch (module.id.role) {
    case Role::kMlpNorm:
      one.end = "";
      break;
    case Role::kSsmConv:
      one.shape = {module.out, module.in};
      break;
    case Role::kSsmDecay:
      one.form.negative_exp = true;
      one.shape = {module.out, 1};
      break;
    case Role::kSsmSkip:
      one.shape = {module.out, 1};
      break;
    case Role::kSsmNorm:
      one.shape = {ssm.groups, module.out / ssm.groups};
      break;
    default:
      break;
  }
}

class Elsewhere {
 public:
  Elsewhere(const ModelConfig& config, OtherFormat format)
      : config_(config), format_(format), names_(names_in(format, config)) {}

  std::vector<OtherModule> modules() {
    declare_modules(config_, [&](const ModuleShape& module) { add(module); });
    return std::move(made_);
  }

 private:
  void add(const ModuleShape& module) {
    const Role role = module.id.role;
    if (format_ == OtherFormat::kLitGpt && role == Role::kGateUp) return add_halves(module);
    OtherModule one = alone(module, names_(module.id));
    if (format_ == OtherFormat::kGguf) {
      if (module.kind == ModuleKind::kNorm)
        one.form.added = static_cast<float>(config_.norm_offset);
      one.parts.front().folded = folded_rows(config_, module);
      if (config_.family == "falcon_h1") take_form_of_h1(config_, module, one);
    }
    if (turns_pairs(format_, config_, role))
      one.parts.front().rows = by_pairs(module.out, config_.head_size);
    if (role == Role::kQkv && format_ != OtherFormat::kLitParrot) {
      one.parts.clear();
      for (const SitePart& part : module.parts) one.parts.push_back({module.id, part.rows});
    }
    if (!made_.empty() && made_.back().name == one.name && is_qkv(role))
      made_.back().parts.push_back(std::move(one.parts.front()));
    else
      made_.push_back(std::move(one));
  }

  // Gate and up.
  void add_halves(const ModuleShape& module) {
    const char* names[] = {"mlp.fc_1", "mlp.fc_2"};
    for (size_t i = 0; i < module.parts.size(); ++i) {
      OtherModule half =
          alone(module, fmt::format("{}{}.{}", names_.layers, module.id.layer, names[i]));
      half.parts.front().rows = module.parts[i].rows;
      made_.push_back(std::move(half));
    }
  }

  const ModelConfig& config_;
  OtherFormat format_;
  ModuleNames names_;
  std::vector<OtherModule> made_;
};

// Where rows of ours lie in a module elsewhere.
struct Placed {
  int64_t ours = 0;
  TensorPiece there;
};

// In the order of our rows, those together that lie one behind the other.
std::vector<TensorPiece> pieces_of(std::vector<Placed> placed, const OtherModule* whole) {
  std::sort(placed.begin(), placed.end(),
            [](const Placed& a, const Placed& b) { return a.ours < b.ours; });
  std::vector<TensorPiece> pieces;
  for (const Placed& one : placed) {
    TensorPiece* last = pieces.empty() ? nullptr : &pieces.back();
    if (last != nullptr && last->tensor == one.there.tensor &&
        last->rows.begin + last->rows.count == one.there.rows.begin)
      last->rows.count += one.there.rows.count;
    else
      pieces.push_back(one.there);
  }
  // All of one tensor, in its order: its own shape counts, and is checked like any other.
  if (pieces.size() == 1 && whole != nullptr) pieces.front().rows = {};
  return pieces;
}

}  // namespace

int64_t OtherModule::rows() const {
  int64_t total = 0;
  for (const OtherPart& part : parts)
    for (const RowRange& range : part.rows) total += range.count;
  return total;
}

std::vector<OtherModule> modules_elsewhere(const ModelConfig& config, OtherFormat format) {
  return Elsewhere(config, format).modules();
}

std::vector<AssembledTensor> ours_from(const ModelConfig& config, OtherFormat format) {
  const std::vector<OtherModule> theirs = modules_elsewhere(config, format);
  std::map<ModuleId, std::vector<Placed>> placed;
  std::map<ModuleId, const OtherModule*> holders;
  for (const OtherModule& module : theirs) {
    int64_t at = 0;
    for (const OtherPart& part : module.parts) {
      holders[part.ours] = &module;
      for (const RowRange& range : part.rows) {
        placed[part.ours].push_back({range.begin, {module.name, {at, range.count}}});
        at += range.count;
      }
    }
  }
  const ModuleNames ours = architecture(config.family).names(config);
  std::vector<AssembledTensor> wanted;
  declare_modules(config, [&](const ModuleShape& module) {
    const OtherModule* holder = holders.at(module.id);
    const bool whole = holder->rows() == module.out;
    const auto pieces = pieces_of(placed.at(module.id), whole ? holder : nullptr);
    const auto want = [&](const std::string& end, const std::string& theirs) -> AssembledTensor& {
      AssembledTensor tensor{.name = ours(module.id) + end, .pieces = pieces};
      for (TensorPiece& piece : tensor.pieces) piece.tensor += theirs;
      return wanted.emplace_back(std::move(tensor));
    };
    AssembledTensor& weight = want(weight_end(module.kind), holder->end);
    weight.form = holder->form;
    if (!holder->shape.empty()) weight.shape = weight_shape(module);
    if (module.kind != ModuleKind::kVector) want(".bias", ".bias");
  });
  return wanted;
}

std::string module_name_in(OtherFormat format, const ModelConfig& config, Role role) {
  return names_in(format, config)({ModuleId::kOutside, role});
}

}  // namespace falconer
