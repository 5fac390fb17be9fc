#include "method/lora_gguf.h"

#include <nlohmann/json.hpp>

#include "model/arch/gguf_config.h"
#include "model/arch/other_names.h"
#include "model/qkv_rows.h"

namespace falconer {
namespace {

double alpha_of(const LoraHook& hook) {
  return hook.spec().scale * static_cast<double>(hook.spec().rank);
}

/// B times `factor`, its rows in `order` (empty: as they are).
std::vector<float> rows_of(const Param& b, const std::vector<RowRange>& order, double factor) {
  std::vector<float> values;
  values.reserve(static_cast<size_t>(b.size()));
  const auto take = [&](const RowRange& range) {
    for (int64_t m = range.begin; m < range.begin + range.count; ++m)
      for (int64_t r = 0; r < b.cols(); ++r)
        values.push_back(static_cast<float>(factor * b.value.row<float>(m)[r]));
  };
  if (order.empty()) take({0, b.rows()});
  for (const RowRange& range : order) take(range);
  return values;
}

}  // namespace

SavedAdapter lora_to_gguf(const ModelConfig& config, const LoraHooks& hooks) {
  check_gguf_model(config);
  const std::map<std::string, std::string> names = names_elsewhere(config, gguf_names());
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
    const std::string base = names.at(site.module() + ".weight");
    made.tensors.push_back({base + ".lora_a", hook->a().shape, host_values(hook->a().value)});
    made.tensors.push_back(
        {base + ".lora_b", hook->b().shape,
         rows_of(hook->b(), site.parts().empty() ? std::vector<RowRange>{} : ours_in_parts(config),
                 alpha_of(*hook) / alpha)});
  }
  return made;
}

}  // namespace falconer
