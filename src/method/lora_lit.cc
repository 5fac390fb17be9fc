#include "method/lora_lit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/json_number.h"
#include "base/json_text.h"
#include "method/load_tensor.h"
#include "model/arch/other_names.h"

namespace falconer {
namespace {

/// Which module of LitGPT's each target is, beside queries, keys and values.
struct LitTarget {
  Role role;
  bool gated;  // of an MLP with a gate
};
constexpr LitTarget kTargets[] = {{Role::kDense, false}, {Role::kUp, false},
                                  {Role::kGate, true},   {Role::kUp, true},
                                  {Role::kDown, false},  {Role::kHead, false}};

std::string lit_name(const LitTarget& target, OtherFormat format = OtherFormat::kLitGpt) {
  ModelConfig config;
  config.mlp = target.gated ? ModelConfig::MlpKind::kGated : ModelConfig::MlpKind::kPlain;
  return module_name_in(format, config, target.role);
}

constexpr const char* kParts[] = {"q", "k", "v"};
constexpr const char* kPartFlags[] = {"lora_query", "lora_key", "lora_value"};

// ---- reading

/// Of the parts of the fused matrix, those that `count` of them are.
std::vector<std::string> part_targets(int64_t count, const JsonFields<nlohmann::json>& settings) {
  std::vector<std::string> named;
  bool said = false;
  for (size_t i = 0; i < std::size(kParts); ++i) {
    const std::optional<bool> flag = settings.boolean(kPartFlags[i]);
    said = said || flag;
    if (flag.value_or(i != 1)) named.emplace_back(kParts[i]);
  }
  if (std::ssize(named) == count) return named;
  if (said)
    fail(
        "{}: lora_query, lora_key and lora_value name {} parts of the fused matrix, and the "
        "tensors "
        "are for {}",
        settings.where(), named.size(), count);
  if (count == 3) return {"q", "k", "v"};
  if (count == 2) return {"q", "v"};
  return {"q"};
}

}  // namespace

nlohmann::ordered_json lit_lora_config(const TensorFiles& files, const nlohmann::json& settings,
                                       const std::string& where) {
  int64_t rank = 0, parts = 0;
  std::vector<std::string> targets;
  const auto add = [&](const std::string& target) {
    if (std::find(targets.begin(), targets.end(), target) == targets.end())
      targets.push_back(target);
  };
  for (const auto& [name, tensor] : files.tensors())
    if (name.ends_with(".lora_B") && tensor.shape.size() == 2) rank = tensor.shape[1];
  if (rank < 1) return nullptr;
  const JsonFields<nlohmann::json> fields(settings, where);
  if (const auto said = fields.whole("lora_r", kLoraRank); said && *said != rank)
    fail("{}: \"lora_r\" is {}, and the tensors of {} are of rank {}", where, *said,
         files.files().front().string(), rank);
  for (const auto& [name, tensor] : files.tensors()) {
    if (!name.ends_with(".lora_A") || tensor.shape.size() != 2) continue;
    const std::string module = name.substr(0, name.size() - std::string(".lora_A").size());
    const auto is = [&](const std::string& own) {
      return module == own || module.ends_with("." + own);
    };
    if (is(lit_name({Role::kQkv, false})) ||
        is(lit_name({Role::kQkv, false}, OtherFormat::kLitParrot)))
      parts = tensor.shape[0] / rank;
    for (const LitTarget& target : kTargets)
      if (is(lit_name(target))) add(std::string(role_name(target.role)));
  }
  if (parts > 0)
    for (const std::string& part : part_targets(parts, fields)) targets.push_back(part);
  return {{"peft_type", "LORA_QV"},
          {"r", rank},
          {"lora_alpha", fields.real("lora_alpha", kLoraAlpha).value_or(16)},
          {"lora_dropout", fields.real("lora_dropout", kLoraDropout).value_or(0)},
          {"lora_targets", targets}};
}

std::unique_ptr<Method> lora_from_lit(const nlohmann::ordered_json& config,
                                      const std::string& where, MethodOptions& options) {
  const JsonFields<nlohmann::ordered_json> fields(config, where);
  options.method = "lora";
  options.lora_r = fields.whole("r", kLoraRank).value_or(8);
  options.lora_alpha = fields.real("lora_alpha", kLoraAlpha).value_or(16);
  options.lora_dropout = fields.real("lora_dropout", kLoraDropout).value_or(0);
  options.lora_targets = fields.texts("lora_targets");
  if (options.lora_targets.empty()) options.lora_targets = {"q", "v"};
  auto method = std::make_unique<Lora>(options);
  method->set_file_form(Lora::FileForm::kLitGpt);
  return method;
}

namespace {

std::map<ModuleId, LoraHook*> by_module(const LoraHooks& hooks) {
  std::map<ModuleId, LoraHook*> map;
  for (const auto& hook : hooks) map[hook->spec().site->id()] = hook.get();
  return map;
}

/// The ranks that rows of a part see; none where there is no hook.
RowRange ranks_of(const LoraHook* hook, const OtherPart& part) {
  if (hook == nullptr) return {};
  int64_t begin = hook->spec().rank, end = 0;
  for (const LoraBlock& block : hook->spec().blocks)
    for (const RowRange& rows : part.rows)
      if (rows.begin < block.rows.begin + block.rows.count &&
          block.rows.begin < rows.begin + rows.count) {
        begin = std::min(begin, block.rank_begin);
        end = std::max(end, block.rank_begin + block.rank_count);
      }
  return {begin, std::max<int64_t>(0, end - begin)};
}

LoraHook* hook_at(const std::map<ModuleId, LoraHook*>& hooks, const ModuleId& id) {
  const auto found = hooks.find(id);
  return found == hooks.end() ? nullptr : found->second;
}

/// A and B of one of our modules, while parts of them are found.
struct LoraValues {
  std::vector<float> a, b;
};

/// One of LitGPT's modules: of each part that has ranks A's rows and B's, one behind the other.
void load_module(AdapterReader& reader, const OtherModule& module, const std::string& name,
                 const std::map<ModuleId, LoraHook*>& hooks,
                 std::map<const LoraHook*, LoraValues>& values) {
  int64_t parts = 0, rank = 0, rows = 0, in = 0;
  for (const OtherPart& part : module.parts) {
    const LoraHook* hook = hook_at(hooks, part.ours);
    const int64_t count = ranks_of(hook, part).count;
    if (count == 0) continue;
    ++parts;
    rank = count;
    in = hook->a().cols();
    for (const RowRange& range : part.rows) rows += range.count;
  }
  if (parts == 0) return;
  const std::vector<float> a = reader.read(name + ".lora_A", {parts * rank, in});
  const std::vector<float> b = reader.read(name + ".lora_B", {rows, rank});
  const float *from_a = a.data(), *from_b = b.data();
  for (const OtherPart& part : module.parts) {
    const LoraHook* hook = hook_at(hooks, part.ours);
    const RowRange ranks = ranks_of(hook, part);
    if (ranks.count == 0) continue;
    LoraValues& to = values[hook];
    std::copy_n(from_a, rank * in, to.a.begin() + ranks.begin * in);
    from_a += rank * in;
    for (const RowRange& range : part.rows)
      for (int64_t m = range.begin; m < range.begin + range.count; ++m, from_b += rank)
        std::copy_n(from_b, rank, to.b.begin() + m * hook->spec().rank + ranks.begin);
  }
}

}  // namespace

void load_lit_lora(AdapterReader& reader, const LoraHooks& hooks, const ModelConfig& config) {
  const std::map<ModuleId, LoraHook*> map = by_module(hooks);
  std::map<const LoraHook*, LoraValues> values;
  for (const auto& hook : hooks)
    values[hook.get()] = {std::vector<float>(static_cast<size_t>(hook->a().size())),
                          std::vector<float>(static_cast<size_t>(hook->b().size()))};
  // Lit-Parrot calls the fused matrix otherwise; of a LoRA its rows are the same.
  std::vector<OtherModule> before;
  const std::vector<OtherModule> current = modules_elsewhere(config, OtherFormat::kLitGpt);
  if (config.family == "falcon") before = modules_elsewhere(config, OtherFormat::kLitParrot);
  for (size_t i = 0; i < current.size(); ++i) {
    const bool old = i < before.size() && reader.find(before[i].name + ".lora_A") != nullptr;
    load_module(reader, current[i], old ? before[i].name : current[i].name, map, values);
  }
  for (const auto& hook : hooks) {
    set_values(hook->a().value, values[hook.get()].a);
    set_values(hook->b().value, values[hook.get()].b);
  }
}

// ---- writing

namespace {

class LitLoraWriter {
 public:
  LitLoraWriter(AdapterForm form, const ModelConfig& config, const LoraHooks& hooks)
      : modules_(modules_elsewhere(config, form == AdapterForm::kLitParrot ? OtherFormat::kLitParrot
                                                                           : OtherFormat::kLitGpt)),
        hooks_(by_module(hooks)) {
    if (form == AdapterForm::kLitParrot)  // whose LoRA has the rows of its fused matrix by parts
      parts_of_fused(config);
    for (const ModuleShape& module : modules_of(config)) widths_[module.id] = module.in;
    for (const auto& hook : hooks)
      if (hook->spec().dora)
        fail("LitGPT has no DoRA; merge the adapter into the model, and export that");
    for (const OtherModule& module : modules_) look_at(module);
    const double first = hooks.front()->spec().scale * static_cast<double>(rank_);
    // A whole alpha, as LitGPT has it; what is left goes into B.
    const bool whole = first == std::floor(first) && first > 0 && kLoraAlpha.holds(first);
    alpha_ = whole ? first : static_cast<double>(rank_);
    if (form != AdapterForm::kLitParrot) return;
    if (parts_[1] || projection_ || mlp_ || head_)
      fail(
          "Lit-Parrot has LoRA on queries and values alone, and this adapter changes more; use "
          "--format litgpt");
    parts_[0] = parts_[2] = true;
  }

  SavedAdapter save(const MethodOptions& options) {
    for (const OtherModule& module : modules_)
      if (wanted(module)) save_module(module);
    std::sort(made_.tensors.begin(), made_.tensors.end(),
              [](const SavedTensor& a, const SavedTensor& b) { return a.name < b.name; });
    nlohmann::ordered_json json;
    json["lora_r"] = rank_;
    json["lora_alpha"] = static_cast<int64_t>(alpha_);
    json["lora_dropout"] = options.lora_dropout;
    for (size_t i = 0; i < std::size(kParts); ++i) json[kPartFlags[i]] = parts_[i];
    json["lora_projection"] = projection_;
    json["lora_mlp"] = mlp_;
    json["lora_head"] = head_;
    made_.config_json = json_text(json, 2) + "\n";
    return std::move(made_);
  }

 private:
  static bool is_qkv(const OtherModule& module) { return module.parts.size() == std::size(kParts); }
  void parts_of_fused(const ModelConfig& config) {
    const std::vector<OtherModule> apart = modules_elsewhere(config, OtherFormat::kLitGpt);
    FALCONER_CHECK(apart.size() == modules_.size());
    for (size_t i = 0; i < apart.size(); ++i) modules_[i].parts = apart[i].parts;
  }

  /// Which of its switches a matrix hangs on there.
  bool& switch_of(const OtherModule& module) {
    const Role role = module.parts.front().ours.role;
    return role == Role::kDense ? projection_ : role == Role::kHead ? head_ : mlp_;
  }

  void look_at(const OtherModule& module) {
    for (size_t i = 0; i < module.parts.size(); ++i) {
      const int64_t ranks = ranks_of(hook_at(hooks_, module.parts[i].ours), module.parts[i]).count;
      if (ranks == 0) continue;
      rank_ = std::max(rank_, ranks);
      (is_qkv(module) ? parts_[i] : switch_of(module)) = true;
    }
  }

  bool wanted(const OtherModule& module) {
    if (module.kind != ModuleKind::kLinear) return false;
    return is_qkv(module) ? parts_[0] || parts_[1] || parts_[2] : switch_of(module);
  }

  void save_module(const OtherModule& module) {
    SavedTensor a{.name = module.name + ".lora_A"}, b{.name = module.name + ".lora_B"};
    const int64_t in = widths_.at(module.parts.front().ours);
    for (size_t i = 0; i < module.parts.size(); ++i)
      if (!is_qkv(module) || parts_[i])
        append(hook_at(hooks_, module.parts[i].ours), module.parts[i], in, a, b);
    a.shape = {static_cast<int64_t>(a.values.size()) / in, in};
    b.shape = {static_cast<int64_t>(b.values.size()) / rank_, rank_};
    made_.tensors.push_back(std::move(a));
    made_.tensors.push_back(std::move(b));
  }

  /// rank_ rows of A, and rank_ columns of B for each row of the part; zeros where the hook has none.
  void append(const LoraHook* hook, const OtherPart& part, int64_t in, SavedTensor& a,
              SavedTensor& b) const {
    const RowRange ranks = ranks_of(hook, part);
    for (int64_t r = 0; r < rank_; ++r) {
      if (r >= ranks.count) {
        a.values.insert(a.values.end(), static_cast<size_t>(in), 0.0f);
        continue;
      }
      const float* from = hook->a().value.row<float>(ranks.begin + r);
      a.values.insert(a.values.end(), from, from + in);
    }
    const double factor = hook ? hook->spec().scale / (alpha_ / static_cast<double>(rank_)) : 0.0;
    for (const RowRange& range : part.rows)
      for (int64_t m = range.begin; m < range.begin + range.count; ++m)
        for (int64_t r = 0; r < rank_; ++r)
          b.values.push_back(
              r < ranks.count
                  ? static_cast<float>(factor * hook->b().value.row<float>(m)[ranks.begin + r])
                  : 0.0f);
  }

  std::vector<OtherModule> modules_;
  std::map<ModuleId, LoraHook*> hooks_;
  std::map<ModuleId, int64_t> widths_;
  bool parts_[std::size(kParts)] = {};  // of queries, keys and values, that take part
  bool projection_ = false, mlp_ = false, head_ = false;
  int64_t rank_ = 1;
  double alpha_ = 1;
  SavedAdapter made_;
};

}  // namespace

SavedAdapter lora_to_lit(AdapterForm form, const MethodOptions& options, const ModelConfig& config,
                         const LoraHooks& hooks) {
  return LitLoraWriter(form, config, hooks).save(options);
}

}  // namespace falconer
