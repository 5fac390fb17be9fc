#include "method/adapter_v2.h"

#include <algorithm>

#include "method/load_tensor.h"
#include "model/arch/other_names.h"
#include "ops/affine.h"

namespace falconer {
namespace {

// LitGPT's rows of the fused matrix: all of q, all of k, all of v. Element i of the result is the
// row, in the checkpoint's order, that row i of the file stands for.
std::vector<int64_t> file_rows(const LinearSite& site) {
  std::vector<int64_t> rows;
  for (const SitePart& part : site.parts())
    for (const SitePart::Range& range : part.rows)
      for (int64_t i = 0; i < range.count; ++i) rows.push_back(range.begin + i);
  if (rows.empty())
    for (int64_t i = 0; i < site.out(); ++i) rows.push_back(i);
  return rows;
}

SavedTensor saved_vector(const std::string& name, const Param& param,
                         const std::vector<int64_t>& rows) {
  SavedTensor made{name, {param.size()}, {}};
  const std::vector<float> values = host_values(param.value);
  for (int64_t row : rows) made.values.push_back(values[static_cast<size_t>(row)]);
  return made;
}

void sort_by_name(SavedAdapter& saved) {
  std::sort(saved.tensors.begin(), saved.tensors.end(),
            [](const SavedTensor& a, const SavedTensor& b) { return a.name < b.name; });
}

}  // namespace

ScaleBiasHook::ScaleBiasHook(LinearSite& site, const std::string& lit_module) : site_(&site) {
  scale_ = {.name = lit_module + ".adapter_scale", .shape = {site.out()}};
  bias_ = {.name = lit_module + ".adapter_bias", .shape = {site.out()}};
}

void ScaleBiasHook::allocate(Arena& fixed, bool training) {
  for (Param* param : {&scale_, &bias_}) {
    param->value = fixed.push(1, param->size(), Dtype::kF32);
    param->in_arena = true;
    if (training) make_trainable(*param, fixed);
  }
  if (!fixed.measuring()) initialise();
}

void ScaleBiasHook::initialise() {
  set_values(scale_.value, std::vector<float>(static_cast<size_t>(scale_.size()), 1.0f));
  clear(bias_.value);
}

void ScaleBiasHook::forward(Run& run, const View&, const View& y, HookKept& kept) const {
  if (run.keep && trainable()) kept.a = run.push(true, y.rows, y.cols);
  affine_forward(run, {.y = y, .scale = scale_.value, .bias = bias_.value, .a = kept.a});
}

void ScaleBiasHook::backward_out(Run& run, const View& dy, HookKept& kept) const {
  affine_backward(
      run,
      {.a = kept.a, .scale = scale_.value, .d = dy, .dscale = scale_.grad, .dbias = bias_.grad});
}

void AdapterV2::attach(Run&, Decoder& decoder, Weights& weights, Arena& fixed, bool training) {
  attach_prefixes(decoder, fixed, training);
  const ModuleNames names = litgpt_names().names(decoder.config());
  for (LinearSite* site : decoder.sites()) {
    auto hook = std::make_unique<ScaleBiasHook>(*site, names(site->id()));
    hook->allocate(fixed, training);
    site->attach(hook.get());
    params_.push_back(&hook->scale());
    params_.push_back(&hook->bias());
    hooks_.push_back(std::move(hook));
  }
  for (const Module& module : weights.modules) {
    if (module.kind != ModuleKind::kNorm) continue;
    const std::string name = names(module.id);
    norms_.push_back({name + ".weight", module.w});
    if (module.b != nullptr) norms_.push_back({name + ".bias", module.b});
  }
  for (const NormParam& norm : norms_) {
    if (training)
      make_trainable(*norm.param, fixed);
    else
      own_value(*norm.param, fixed);
    params_.push_back(norm.param);
  }
}

void AdapterV2::initialise(uint64_t seed) {
  Adapter::initialise(seed);
  for (const auto& hook : hooks_) hook->initialise();
}

SavedAdapter AdapterV2::save() const {
  SavedAdapter saved{.config_json = config_json("ADAPTER_V2")};
  save_prefixes(saved);
  for (const auto& hook : hooks_) {
    const std::vector<int64_t> rows = file_rows(hook->site());
    for (const Param* param : {&std::as_const(*hook).scale(), &std::as_const(*hook).bias()})
      saved.tensors.push_back(saved_vector(param->name, *param, rows));
  }
  for (const NormParam& norm : norms_)
    saved.tensors.push_back({norm.lit_name, norm.param->shape, host_values(norm.param->value)});
  sort_by_name(saved);
  return saved;
}

// Lit-Parrot keeps the checkpoint's order of rows in its fused matrix, and calls it "attn.attn".
SavedAdapter AdapterV2::save_as(AdapterForm form) const {
  SavedAdapter saved = Adapter::save_as(form);
  if (form != AdapterForm::kLitParrot) return saved;
  for (SavedTensor& tensor : saved.tensors) {
    const size_t at = tensor.name.find(".attn.qkv.");
    if (at == std::string::npos) continue;
    for (const auto& hook : hooks_)
      for (const Param* param : {&std::as_const(*hook).scale(), &std::as_const(*hook).bias()})
        if (param->name == tensor.name) tensor.values = host_values(param->value);
    tensor.name.replace(at, 10, ".attn.attn.");
  }
  sort_by_name(saved);
  return saved;
}

void AdapterV2::load(const TensorFiles& files, const std::set<std::string>& copies) {
  AdapterReader reader(files, copies);
  load_prefixes(reader);
  for (const auto& hook : hooks_) {
    const std::vector<int64_t> rows = file_rows(hook->site());
    for (Param* param : {&hook->scale(), &hook->bias()}) {
      // Lit-Parrot's "attn.attn" keeps the checkpoint's order of rows, LitGPT's "attn.qkv" does
      // not.
      std::string old = param->name;
      if (const size_t at = old.find(".attn.qkv."); at != std::string::npos)
        old.replace(at, 10, ".attn.attn.");
      const bool checkpoint_order = old != param->name && files.find(old) != nullptr;
      const std::vector<float> values =
          reader.read(checkpoint_order ? old : param->name, param->shape);
      std::vector<float> ordered(values.size());
      for (size_t i = 0; i < values.size(); ++i)
        ordered[checkpoint_order ? i : static_cast<size_t>(rows[i])] = values[i];
      set_values(param->value, ordered);
    }
  }
  for (const NormParam& norm : norms_)
    set_values(norm.param->value, reader.read(norm.lit_name, norm.param->shape));
  reader.finish();
}

ModelConfig AdapterV2::merged_config(const ModelConfig& config) const {
  ModelConfig merged = config;
  merged.set_biases(true);
  merged.tied_head = false;
  return merged;
}

bool AdapterV2::merges_into(const std::string& name) const {
  const auto at_site = [&](const auto& hook) {
    const std::string& module = hook->site().module();
    return name == module + ".weight" || name == module + ".bias";
  };
  return std::any_of(hooks_.begin(), hooks_.end(), at_site) ||
         std::any_of(norms_.begin(), norms_.end(),
                     [&](const NormParam& norm) { return norm.param->name == name; });
}

void AdapterV2::merge_tensor(const std::string& name, const View& values) const {
  for (const auto& hook : hooks_) {
    const std::string& module = hook->site().module();
    const float* scale = hook->scale().value.row<float>(0);
    const float* bias = hook->bias().value.row<float>(0);
    if (name == module + ".weight") {
      for (int64_t m = 0; m < values.rows; ++m)
        for (int64_t k = 0; k < values.cols; ++k) values.row<float>(m)[k] *= scale[m];
    } else if (name == module + ".bias") {
      float* b = values.row<float>(0);
      for (int64_t m = 0; m < values.size(); ++m) b[m] = scale[m] * (b[m] + bias[m]);
    }
  }
  for (const NormParam& norm : norms_)
    if (name == norm.param->name) copy_converted(norm.param->value, values);
}

SavedAdapter AdapterV2::unmerged() const {
  // As ADAPTER_V2 with everything that was folded at its neutral value, and the head's bias after
  // its scale.
  SavedAdapter saved = save();
  for (SavedTensor& tensor : saved.tensors) {
    const bool head = tensor.name.starts_with("lm_head.");
    if (tensor.name.ends_with(".adapter_bias") && !head)
      std::fill(tensor.values.begin(), tensor.values.end(), 0.0f);
    if (head && tensor.name.ends_with(".adapter_bias"))
      for (size_t i = 0; i < tensor.values.size(); ++i)
        tensor.values[i] *= hooks_.back()->scale().value.row<float>(0)[i];
    if (tensor.name.ends_with(".adapter_scale"))
      std::fill(tensor.values.begin(), tensor.values.end(), 1.0f);
  }
  return saved;
}

std::unique_ptr<Method> make_adapter_v2(const MethodOptions& options) {
  return std::make_unique<AdapterV2>(options);
}

}  // namespace falconer
