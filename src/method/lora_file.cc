#include "method/lora_file.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "method/peft_config.h"
#include "model/arch/architecture.h"

namespace falconer {
namespace {

// Before a module's name, in the metadata of adapter_model.safetensors: which of q, k and v.
constexpr const char* kPartsKey = "falconer.parts.";

SavedTensor saved(const Param& param) {
  return {param.name, param.shape, host_values(param.value)};
}

// What PEFT computes the scale from, and the rank that it sees, which is 2r for q and v: alpha grows
// along. The last bit of the scale is kept where an alpha gives it.
double alpha_of(int64_t rank, double scale, bool rslora) {
  const double r = static_cast<double>(rank), divisor = rslora ? std::sqrt(r) : r;
  const double alpha = scale * divisor;
  for (const double near : {std::round(alpha), alpha, std::nextafter(alpha, HUGE_VAL),
                            std::nextafter(alpha, -HUGE_VAL)})
    if (near / divisor == scale) return near;
  return alpha;
}

// A whole number as one.
nlohmann::ordered_json number(double value) {
  if (value == std::floor(value)) return static_cast<int64_t>(value);
  return value;
}

// A number for each module: the usual one, and by name what differs from it.
struct Numbers {
  nlohmann::ordered_json usual, pattern = nlohmann::ordered_json::object();
};

// `names`: the modules, in order.
Numbers numbers_of(const std::vector<std::string>& names, const std::vector<double>& values) {
  std::map<double, size_t> counts;
  for (const double value : values) ++counts[value];
  double usual = values.front();
  for (const double value : values)
    if (counts[value] > counts[usual]) usual = value;
  std::map<std::string, std::set<double>> of_kind;  // by the names' last parts
  for (size_t i = 0; i < names.size(); ++i) of_kind[last_name(names[i])].insert(values[i]);
  Numbers made{.usual = number(usual)};
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string kind = last_name(names[i]);
    if (values[i] != usual)
      made.pattern[of_kind[kind].size() == 1 ? kind : names[i]] = number(values[i]);
  }
  return made;
}

// Last parts of names where they name no module without a LoRA; whole names otherwise.
std::set<std::string> targets_of(const std::vector<std::string>& names,
                                 const std::vector<std::string>& modules) {
  std::set<std::string> untouched;
  for (const std::string& module : modules)
    if (std::find(names.begin(), names.end(), module) == names.end())
      untouched.insert(last_name(module));
  std::set<std::string> targets;
  for (const std::string& name : names)
    targets.insert(untouched.contains(last_name(name)) ? name : last_name(name));
  return targets;
}

// "q,v", for a LoRA whose blocks are those of q and v.
std::string parts_of(const LoraHook::Spec& spec) {
  std::string names;
  for (const SitePart& part : spec.site->parts())
    for (const LoraBlock& block : spec.blocks)
      if (block.rows.begin == part.rows.front().begin &&
          block.rows.count == part.rows.front().count)
        names += (names.empty() ? "" : ",") + part.name;
  return names.empty() ? Lora::kWholeSite : names;
}

}  // namespace

SavedAdapter lora_to_peft(const MethodOptions& options, const LoraHooks& hooks,
                          const std::vector<std::string>& modules, const BaseChanges& changes) {
  SavedAdapter made;
  std::vector<std::string> names;
  std::vector<double> ranks, alphas;
  for (const auto& hook : hooks) {
    const LoraHook::Spec& spec = hook->spec();
    names.push_back(spec.site->module());
    ranks.push_back(static_cast<double>(spec.rank));
    alphas.push_back(alpha_of(spec.rank, spec.scale, options.lora_rs));
    if (!spec.site->parts().empty()) made.metadata[kPartsKey + names.back()] = parts_of(spec);
    made.tensors.push_back(saved(hook->a()));
    made.tensors.push_back(saved(hook->b()));
    if (const Param* m = hook->magnitude()) made.tensors.push_back(saved(*m));
  }
  if (const BaseChanges::EmbeddingLora& table = changes.embedding(); table.rank > 0) {
    names.push_back(table.module);
    ranks.push_back(static_cast<double>(table.rank));
    alphas.push_back(alpha_of(table.rank, table.scale, options.lora_rs));
  }
  changes.save(made);
  std::sort(made.tensors.begin(), made.tensors.end(),
            [](const SavedTensor& a, const SavedTensor& b) { return a.name < b.name; });
  const Numbers rank = numbers_of(names, ranks), alpha = numbers_of(names, alphas);
  // Only what is not PEFT's default: keys that a reader does not know break it.
  nlohmann::ordered_json config;
  config["peft_type"] = "LORA";
  config["task_type"] = "CAUSAL_LM";
  config["base_model_name_or_path"] = nullptr;
  config["inference_mode"] = true;
  config["r"] = rank.usual;
  config["lora_alpha"] = alpha.usual;
  if (options.lora_dropout > 0) config["lora_dropout"] = options.lora_dropout;
  config["target_modules"] = targets_of(names, modules);
  if (options.lora_rs) config["use_rslora"] = true;
  if (options.lora_dora) config["use_dora"] = true;
  if (!rank.pattern.empty()) config["rank_pattern"] = rank.pattern;
  if (!alpha.pattern.empty()) config["alpha_pattern"] = alpha.pattern;
  const BaseChanges::Settings& beside = changes.settings();
  if (!beside.modules_to_save.empty()) config["modules_to_save"] = beside.modules_to_save;
  if (beside.bias != "none") config["bias"] = beside.bias;
  if (beside.lora_bias) config["lora_bias"] = true;
  if (beside.olora) config["init_lora_weights"] = "olora";
  if (beside.ensure_weight_tying) config["ensure_weight_tying"] = true;
  made.config_json = json_text(config, 2) + "\n";
  return made;
}

void plain_lora_names(TensorFiles& files) {
  std::map<std::string, std::string> names;
  const auto replace_end = [&](const std::string& name, std::string_view end,
                               std::string_view with) {
    if (name.ends_with(end))
      names[name] = name.substr(0, name.size() - end.size()) + std::string(with);
  };
  for (const auto& [name, tensor] : files.tensors()) {
    replace_end(name, ".lora_A.default.weight", ".lora_A.weight");
    replace_end(name, ".lora_B.default.weight", ".lora_B.weight");
    replace_end(name, ".lora_B.default.bias", ".lora_B.bias");
    replace_end(name, ".lora_embedding_A.default", ".lora_embedding_A");
    replace_end(name, ".lora_embedding_B.default", ".lora_embedding_B");
    for (const char* end : {".weight", ".default.weight"})
      replace_end(name, std::string(".lora_magnitude_vector") + end, ".lora_magnitude_vector");
  }
  if (!names.empty()) files.rename(names);
}

namespace {

/// Each text in `json`, and each key below its first level.
void with_names(nlohmann::ordered_json& json, const Architecture& arch) {
  if (json.is_string()) json = name_from_files(arch, json.get<std::string>());
  if (json.is_array())
    for (auto& element : json) with_names(element, arch);
  if (!json.is_object()) return;
  auto renamed = nlohmann::ordered_json::object();
  for (const auto& [key, value] : json.items()) renamed[name_from_files(arch, key)] = value;
  json = std::move(renamed);
}

}  // namespace

nlohmann::ordered_json with_todays_names(nlohmann::ordered_json config, TensorFiles& files) {
  const std::string prefix(kPeftPrefix);
  for (const Architecture* arch : architectures()) {
    std::map<std::string, std::string> names;
    for (const auto& [ours, in_files] : arch->names_in_files)
      for (const auto& [name, tensor] : files.tensors())
        if (name.starts_with(prefix + in_files + ".")) names[name] = name_from_files(*arch, name);
    const auto ids = config.find("trainable_token_indices");
    bool before = !names.empty();
    if (ids != config.end() && ids->is_object())
      for (const auto& [key, value] : ids->items()) before |= name_from_files(*arch, key) != key;
    if (!before) continue;
    files.rename(names);
    for (const char* key : {"target_modules", "exclude_modules", "modules_to_save", "rank_pattern",
                            "alpha_pattern", "trainable_token_indices"})
      if (const auto found = config.find(key); found != config.end()) with_names(*found, *arch);
  }
  return config;
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

// What the file says of the module whose B is `b`.
Lora::ModuleSpec module_spec(const PeftConfig& config, const std::string& module,
                             const StoredTensor& b, const TensorFiles& files) {
  const std::string file = b.file.string();
  if (b.shape.size() != 2 || b.shape[1] < 1)
    fail("{}: {} is {}, expected two dimensions", file, b.name, b.shape_text());
  b.check_float();
  const int64_t rank = b.shape[1], said = config.rank_of(module);
  if (rank != said)
    fail("{}: {} has rank {}, and adapter_config.json says {}", file, b.name, rank, said);
  const double r = static_cast<double>(rank);
  Lora::ModuleSpec spec{.rank = rank,
                        .scale = config.alpha_of(module) / (config.rslora ? std::sqrt(r) : r)};
  const auto parts = files.metadata().find(kPartsKey + module);
  if (parts != files.metadata().end()) spec.parts = parts->second;
  spec.rows = used_ranks(b);
  return spec;
}

// What stands before `end` in a tensor's name; empty where it ends otherwise, or is of no module.
std::string module_before(const std::string& name, std::string_view end) {
  if (!name.starts_with(kPeftPrefix) || !name.ends_with(end)) return {};
  if (name.size() <= kPeftPrefix.size() + end.size()) return {};
  return name.substr(kPeftPrefix.size(), name.size() - kPeftPrefix.size() - end.size());
}

}  // namespace

std::unique_ptr<Method> lora_from_peft(const nlohmann::ordered_json& json, const std::string& where,
                                       const TensorFiles& files, MethodOptions& options) {
  const auto config = std::make_shared<const PeftConfig>(json, where);
  options.method = "lora";
  options.lora_r = config->rank;
  options.lora_alpha = config->alpha;
  options.lora_dropout = config->dropout;
  options.lora_rs = config->rslora;
  options.lora_dora = config->dora;
  std::map<std::string, Lora::ModuleSpec> modules;
  BaseChanges::EmbeddingLora embedding;
  for (const auto& [name, tensor] : files.tensors()) {
    if (const std::string module = module_before(name, ".lora_B.weight"); !module.empty())
      modules[module] = module_spec(*config, module, tensor, files);
    const std::string module = module_before(name, ".lora_embedding_B");
    if (module.empty()) continue;
    const Lora::ModuleSpec spec = module_spec(*config, module, tensor, files);
    if (config->dora)
      fail("{}: \"use_dora\" on the embedding ({}) is not supported; merge the adapter with PEFT",
           where, module);
    if (config->beside.olora)
      fail(
          "{}: \"init_lora_weights\" is \"olora\", which PEFT does not have for embeddings, and {} "
          "is one; merge the adapter with the program that made it",
          where, module);
    if (!embedding.module.empty())
      fail("{}: has LoRAs of two embeddings, {} and {}; is it for another model?", where,
           embedding.module, module);
    embedding = {.module = module, .rank = spec.rank, .scale = spec.scale};
  }
  if (modules.empty() && embedding.rank == 0)
    fail("{}: no lora_B tensors beside it; the adapter is empty", where);
  auto method = std::make_unique<Lora>(options);
  const auto targets = [config](const std::string& module, bool head) {
    return config->targets(module, head);
  };
  method->set_modules(std::move(modules), targets, where);
  method->set_changes({config->beside, std::move(embedding), where});
  method->set_token_rows(token_rows_from_peft(json, where, files));
  return method;
}

void load_peft_lora(AdapterReader& reader, const LoraHooks& hooks) {
  const auto take = [&](Param& param) {
    set_values(param.value, reader.read(param.name, param.shape));
  };
  for (const auto& hook : hooks) {
    take(hook->a());
    take(hook->b());
    if (Param* m = hook->magnitude()) take(*m);
  }
}

}  // namespace falconer
