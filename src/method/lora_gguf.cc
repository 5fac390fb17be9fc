#include "method/lora_gguf.h"

#include <map>
#include <nlohmann/json.hpp>

#include "model/arch/gguf_config.h"
#include "model/arch/other_names.h"

namespace falconer {
namespace {

double alpha_of(const LoraHook& hook) {
  return hook.spec().scale * static_cast<double>(hook.spec().rank);
}

/// B times `factor`, its rows as the module elsewhere has them, with the factors that are in its weight: they are in
/// what is added to it then.
std::vector<float> rows_of(const Param& b, const OtherModule& module, double factor) {
  std::vector<float> values;
  values.reserve(static_cast<size_t>(b.size()));
  for (const OtherPart& part : module.parts)
    for (const RowRange& range : part.rows)
      for (int64_t m = range.begin; m < range.begin + range.count; ++m) {
        const FoldedRows* const folded = folded_at(part.folded, m);
        const double times = folded != nullptr ? factor * folded->read * folded->made : factor;
        for (int64_t r = 0; r < b.cols(); ++r)
          values.push_back(
              static_cast<float>(times * static_cast<double>(b.value.row<float>(m)[r])));
      }
  return values;
}

}  // namespace

SavedAdapter lora_to_gguf(const ModelConfig& config, const LoraHooks& hooks) {
  check_gguf_model(config);
  std::map<ModuleId, OtherModule> theirs;  // each of ours is one of theirs
  for (OtherModule& module : modules_elsewhere(config, OtherFormat::kGguf))
    theirs[module.parts.front().ours] = std::move(module);
  double alpha = alpha_of(*hooks.front());
  if (alpha == 0) alpha = 1;  // which llama.cpp takes for "do not scale"
  SavedAdapter made;
  made.config_json = nlohmann::json({{"alpha", alpha}}).dump();
  for (const auto& hook : hooks) {
    const LinearSite& site = *hook->spec().site;
    if (hook->spec().dora)
      fail("llama.cpp has no DoRA; merge the adapter into the model, and export that as GGUF");
    if (config.tied_head && site.id().role == Role::kHead)
      fail(
          "the adapter changes the head, which is the embedding in this model's GGUF; merge the "
          "adapter into the model, and export that as GGUF");
    const OtherModule& module = theirs.at(site.id());
    const std::string base = module.weight();
    made.tensors.push_back({base + ".lora_a", hook->a().shape, host_values(hook->a().value)});
    made.tensors.push_back(
        {base + ".lora_b", hook->b().shape, rows_of(hook->b(), module, alpha_of(*hook) / alpha)});
  }
  return made;
}

}  // namespace falconer
