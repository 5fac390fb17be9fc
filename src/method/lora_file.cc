#include "method/lora_file.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "method/load_tensor.h"

namespace falconer {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";

SavedTensor saved(const Param& param) {
  return {param.name, param.shape, host_values(param.value)};
}

std::string last_name(const std::string& module) { return module.substr(module.rfind('.') + 1); }

// PEFT's rule for patterns: the whole name, or the part behind a dot.
double by_pattern(const nlohmann::json& config, const char* key, const std::string& module,
                  double otherwise) {
  if (!config.contains(key) || !config[key].is_object()) return otherwise;
  for (const auto& [pattern, value] : config[key].items())
    if (module == pattern || module.ends_with("." + pattern)) return value.get<double>();
  return otherwise;
}

// The targets, where every module that they name must be in the file: not where the adapter was
// made for some layers only, nor where they are a regular expression.
std::vector<std::string> targets_everywhere(const nlohmann::json& config) {
  const auto unset = [&](const char* key) {
    return !config.contains(key) || config[key].is_null() || config[key].empty();
  };
  const bool some = !unset("layers_to_transform") || !unset("exclude_modules");
  if (some || !config.contains("target_modules") || !config["target_modules"].is_array()) return {};
  return config["target_modules"].get<std::vector<std::string>>();
}

void refuse_unsupported(const nlohmann::json& config, const std::string& where) {
  const auto refuse = [&](const char* key, bool unsupported) {
    if (unsupported)
      fail(
          "{}: \"{}\" is set to {}, which is not supported; retrain the adapter without it, or "
          "merge it with PEFT",
          where, key, config[key].dump());
  };
  for (const char* key : {"modules_to_save", "layer_replication", "trainable_token_indices",
                          "target_parameters", "alora_invocation_tokens", "arrow_config",
                          "use_bdlora", "kasa_config", "monteclora_config", "velora_config"})
    refuse(key, config.contains(key) && !config[key].is_null() && !config[key].empty());
  for (const char* key : {"fan_in_fan_out", "lora_bias", "use_qalora"})
    refuse(key, config.contains(key) && config[key].is_boolean() && config[key].get<bool>());
  refuse("bias", config.contains("bias") && config["bias"] != "none");
}

}  // namespace

int64_t whole_number(const nlohmann::json& config, const char* key, int64_t otherwise) {
  const double number = config.value(key, static_cast<double>(otherwise));
  if (!(std::fabs(number) <= 1e9) || number != std::floor(number))
    fail("the adapter's \"{}\" is {}; expected a whole number", key, number);
  return static_cast<int64_t>(number);
}

SavedAdapter lora_to_peft(const MethodOptions& options, const LoraHooks& hooks) {
  SavedAdapter made;
  std::set<std::string> targets;
  nlohmann::json ranks = nlohmann::json::object(), alphas = nlohmann::json::object();
  // PEFT computes alpha / r (or alpha / sqrt r) from the rank it sees, which is 2r for q and v:
  // alpha grows along.
  const auto alpha_of = [&](const LoraHook::Spec& spec) {
    const double r = static_cast<double>(spec.rank);
    return spec.scale * (options.lora_rs ? std::sqrt(r) : r);
  };
  const LoraHook::Spec& first = hooks.front()->spec();
  for (const auto& hook : hooks) {
    const LoraHook::Spec& spec = hook->spec();
    const std::string target = last_name(spec.site->module());
    targets.insert(target);
    if (spec.rank != first.rank) ranks[target] = spec.rank;
    if (alpha_of(spec) != alpha_of(first)) alphas[target] = alpha_of(spec);
    made.tensors.push_back(saved(hook->a()));
    made.tensors.push_back(saved(hook->b()));
    if (const Param* m = hook->magnitude()) made.tensors.push_back(saved(*m));
  }
  std::sort(made.tensors.begin(), made.tensors.end(),
            [](const SavedTensor& a, const SavedTensor& b) { return a.name < b.name; });
  // Only what is not PEFT's default: keys that a reader does not know break it.
  nlohmann::ordered_json config;
  config["peft_type"] = "LORA";
  config["task_type"] = "CAUSAL_LM";
  config["base_model_name_or_path"] = nullptr;
  config["inference_mode"] = true;
  config["r"] = first.rank;
  const double alpha = alpha_of(first);
  if (alpha == std::floor(alpha))
    config["lora_alpha"] = static_cast<int64_t>(alpha);
  else
    config["lora_alpha"] = alpha;
  if (options.lora_dropout > 0) config["lora_dropout"] = options.lora_dropout;
  config["target_modules"] = targets;
  if (options.lora_rs) config["use_rslora"] = true;
  if (options.lora_dora) config["use_dora"] = true;
  if (!ranks.empty()) config["rank_pattern"] = ranks;
  if (!alphas.empty()) config["alpha_pattern"] = alphas;
  made.config_json = config.dump(2) + "\n";
  return made;
}

namespace {

std::vector<Lora::ModuleSpec::Used> used_ranks(const StoredTensor& b) {
  Tensor values(b.shape[0], b.shape[1], Dtype::kF32);
  copy_converted(b.view(), values.view());
  std::vector<Lora::ModuleSpec::Used> rows(static_cast<size_t>(b.shape[0]));
  for (int64_t m = 0; m < b.shape[0]; ++m)
    for (int64_t r = 0; r < b.shape[1]; ++r) {
      if (values.view().row<float>(m)[r] == 0) continue;
      Lora::ModuleSpec::Used& used = rows[static_cast<size_t>(m)];
      if (used.end == 0) used.begin = r;
      used.end = r + 1;
    }
  return rows;
}

}  // namespace

std::unique_ptr<Method> lora_from_peft(const nlohmann::json& config, const std::string& where,
                                       const TensorFiles& files, MethodOptions& options) {
  refuse_unsupported(config, where);
  options.method = "lora";
  options.lora_r = whole_number(config, "r", 8);
  options.lora_alpha = config.value("lora_alpha", 8.0);
  options.lora_dropout = config.value("lora_dropout", 0.0);
  options.lora_rs = config.value("use_rslora", false);
  options.lora_dora = config.value("use_dora", false);
  std::map<std::string, Lora::ModuleSpec> modules;
  for (const auto& [name, tensor] : files.tensors()) {
    if (!name.starts_with(kPrefix) || !name.ends_with(".lora_B.weight")) continue;
    const std::string module =
        name.substr(kPrefix.size(), name.size() - kPrefix.size() - sizeof(".lora_B.weight") + 1);
    if (tensor.shape.size() != 2 || tensor.shape[1] < 1)
      fail("{}: {} is {}, expected two dimensions", tensor.file.string(), name,
           tensor.shape_text());
    const int64_t rank = tensor.shape[1];
    if (tensor.dtype != Dtype::kF32 && tensor.dtype != Dtype::kBF16 &&
        tensor.dtype != Dtype::kF16 && tensor.dtype != Dtype::kF64)
      fail("{}: {} holds {} numbers; f32, bf16 and f16 can be read", tensor.file.string(), name,
           name_of(tensor.dtype));
    const double said =
        by_pattern(config, "rank_pattern", module, static_cast<double>(options.lora_r));
    if (static_cast<double>(rank) != said)
      fail("{}: {} has rank {}, and adapter_config.json says {}", tensor.file.string(), name, rank,
           said);
    const double alpha = by_pattern(config, "alpha_pattern", module, options.lora_alpha);
    if (!(std::fabs(alpha) <= kLargestAlpha))
      fail("{}: the alpha of {} is {}; expected at most {}", where, module, alpha, kLargestAlpha);
    const double r = static_cast<double>(rank);
    modules[module] = {.rank = rank,
                       .scale = alpha / (options.lora_rs ? std::sqrt(r) : r),
                       .rows = used_ranks(tensor)};
  }
  if (modules.empty()) fail("{}: no lora_B tensors beside it; the adapter is empty", where);
  auto method = std::make_unique<Lora>(options);
  method->set_modules(std::move(modules), targets_everywhere(config));
  return method;
}

void load_peft_lora(const TensorFiles& files, const LoraHooks& hooks) {
  AdapterReader reader(files);
  const auto take = [&](Param& param) {
    set_values(param.value, reader.read(param.name, param.size()));
  };
  for (const auto& hook : hooks) {
    take(hook->a());
    take(hook->b());
    if (Param* m = hook->magnitude()) take(*m);
  }
  reader.finish();
}

}  // namespace falconer
