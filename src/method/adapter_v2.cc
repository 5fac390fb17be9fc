#include "method/adapter_v2.h"

#include <algorithm>

#include "method/load_tensor.h"
#include "ops/affine.h"

namespace falconer {
namespace {

// What LitGPT trains of norms: those before attention and MLP, and the last; and the one of a state space mixer.
bool learns(Role norm) {
  return norm == Role::kAttentionNorm || norm == Role::kMlpNorm || norm == Role::kFinalNorm ||
         norm == Role::kSsmNorm;
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

std::string AdapterV2::name_of(const LinearSite& site) const {
  for (const OtherModule& module : modules_)
    if (module.parts.front().ours == site.id() && module.rows() == site.out()) return module.name;
  return fmt::format("transformer.h.{}.{}", site.id().layer, role_name(site.id().role));
}

void AdapterV2::attach(Run&, Decoder& decoder, Weights& weights, Arena& fixed, bool training) {
  attach_prefixes(decoder, fixed, training);
  modules_ = modules_elsewhere(decoder.config(), OtherFormat::kLitGpt);
  if (decoder.config().family == "falcon")
    parrot_ = modules_elsewhere(decoder.config(), OtherFormat::kLitParrot);
  for (LinearSite* site : decoder.sites()) {
    auto hook = std::make_unique<ScaleBiasHook>(*site, name_of(*site));
    hook->allocate(fixed, training);
    site->attach(hook.get());
    params_.push_back(&hook->scale());
    params_.push_back(&hook->bias());
    hooks_.push_back(std::move(hook));
  }
  for (const OtherModule& theirs : modules_) {
    const ModuleId& id = theirs.parts.front().ours;
    if (theirs.kind != ModuleKind::kNorm || !learns(id.role)) continue;
    const Module& module = weights.at(id);
    norms_.push_back({theirs.name + ".weight", module.w});
    if (module.b != nullptr) norms_.push_back({theirs.name + ".bias", module.b});
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

ScaleBiasHook& AdapterV2::hook_at(const ModuleId& id) const {
  const auto found = std::find_if(hooks_.begin(), hooks_.end(),
                                  [&](const auto& hook) { return hook->site().id() == id; });
  FALCONER_CHECK(found != hooks_.end());
  return **found;
}

SavedAdapter AdapterV2::save_in(const std::vector<OtherModule>& modules) const {
  SavedAdapter saved{.config_json = config_json("ADAPTER_V2")};
  save_prefixes(saved);
  for (const OtherModule& module : modules) {
    if (module.kind != ModuleKind::kLinear) continue;
    for (const bool scale : {true, false}) {
      SavedTensor made{
          module.name + (scale ? ".adapter_scale" : ".adapter_bias"), {module.rows()}, {}};
      for (const OtherPart& part : module.parts) {
        const ScaleBiasHook& hook = hook_at(part.ours);
        const std::vector<float> values = host_values((scale ? hook.scale() : hook.bias()).value);
        for (const RowRange& range : part.rows)
          made.values.insert(made.values.end(), values.begin() + range.begin,
                             values.begin() + range.begin + range.count);
      }
      saved.tensors.push_back(std::move(made));
    }
  }
  for (const NormParam& norm : norms_)
    saved.tensors.push_back({norm.lit_name, norm.param->shape, host_values(norm.param->value)});
  sort_by_name(saved);
  return saved;
}

SavedAdapter AdapterV2::save() const { return save_in(modules_); }

// Lit-Parrot keeps the checkpoint's order of rows in its fused matrix, and calls it "attn.attn".
SavedAdapter AdapterV2::save_as(AdapterForm form) const {
  SavedAdapter saved = Adapter::save_as(form);
  if (form != AdapterForm::kLitParrot) return saved;
  const SavedAdapter theirs = save_in(parrot_);
  std::erase_if(saved.tensors, [](const SavedTensor& tensor) {
    return tensor.name.ends_with(".adapter_scale") || tensor.name.ends_with(".adapter_bias");
  });
  for (const SavedTensor& tensor : theirs.tensors)
    if (tensor.name.ends_with(".adapter_scale") || tensor.name.ends_with(".adapter_bias"))
      saved.tensors.push_back(tensor);
  sort_by_name(saved);
  return saved;
}

void AdapterV2::load_module(AdapterReader& reader, const OtherModule& module) {
  for (const bool scale : {true, false}) {
    const std::vector<float> values =
        reader.read(module.name + (scale ? ".adapter_scale" : ".adapter_bias"), {module.rows()});
    auto from = values.begin();
    for (const OtherPart& part : module.parts) {
      ScaleBiasHook& hook = hook_at(part.ours);
      Param& param = scale ? hook.scale() : hook.bias();
      std::vector<float> ours = host_values(param.value);
      for (const RowRange& range : part.rows) {
        std::copy_n(from, range.count, ours.begin() + range.begin);
        from += range.count;
      }
      set_values(param.value, ours);
    }
  }
}

void AdapterV2::load(const TensorFiles& files, const std::set<std::string>& copies) {
  AdapterReader reader(files, copies);
  load_prefixes(reader);
  for (size_t i = 0; i < modules_.size(); ++i) {
    if (modules_[i].kind != ModuleKind::kLinear) continue;
    const bool before =
        i < parrot_.size() && files.find(parrot_[i].name + ".adapter_scale") != nullptr;
    load_module(reader, before ? parrot_[i] : modules_[i]);
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
