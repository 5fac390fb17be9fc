#include "method/lora_lit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_number.h"
#include "method/load_tensor.h"
#include "model/arch/other_names.h"

namespace falconer {
namespace {

/// What --lora-targets calls the matrices that are not fused.
constexpr std::pair<Role, const char*> kTargets[] = {{Role::kDense, "dense"},
                                                     {Role::kUp, "dense_h_to_4h"},
                                                     {Role::kDown, "dense_4h_to_h"},
                                                     {Role::kHead, "head"}};
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
  const auto add = [&](const char* target) {
    if (std::find(targets.begin(), targets.end(), target) == targets.end())
      targets.emplace_back(target);
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
    const auto is = [&](const OtherNames& theirs, Role role) {
      const std::string own = theirs.names({}).of_role.at(role);
      return module == own || module.ends_with("." + own);
    };
    if (is(litgpt_names(), Role::kQkv) || is(lit_parrot_names(), Role::kQkv))
      parts = tensor.shape[0] / rank;
    for (const auto& [role, target] : kTargets)
      if (is(litgpt_names(), role)) add(target);
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

void load_fused(AdapterReader& reader, const std::string& base, LoraHook& hook) {
  const LoraHook::Spec& spec = hook.spec();
  const int64_t r = spec.blocks.front().rank_count;
  set_values(hook.a().value, reader.read(base + ".lora_A", hook.a().shape));
  int64_t rows = 0;
  for (const LoraBlock& block : spec.blocks) rows += block.rows.count;
  const std::vector<float> b = reader.read(base + ".lora_B", {rows, r});
  // Blocks come part by part, each with all its groups: the order of the file's rows.
  const float* from = b.data();
  std::vector<float> to(static_cast<size_t>(hook.b().size()));
  for (const LoraBlock& block : spec.blocks)
    for (int64_t m = 0; m < block.rows.count; ++m, from += r)
      std::copy(from, from + r, to.begin() + (block.rows.begin + m) * spec.rank + block.rank_begin);
  set_values(hook.b().value, to);
}

}  // namespace

void load_lit_lora(AdapterReader& reader, const LoraHooks& hooks, const ModelConfig& config) {
  const ModuleNames current = litgpt_names().names(config),
                    before = lit_parrot_names().names(config);
  for (const auto& hook : hooks) {
    const LinearSite& site = *hook->spec().site;
    std::string base = current(site.id());
    if (!site.parts().empty()) {
      if (reader.find(base + ".lora_A") == nullptr) base = before(site.id());
      load_fused(reader, base, *hook);
      continue;
    }
    for (Param* param : {&hook->a(), &hook->b()}) {
      const char* kind = param == &hook->a() ? ".lora_A" : ".lora_B";
      set_values(param->value, reader.read(base + kind, param->shape));
    }
  }
}

// ---- writing

namespace {

class LitLoraWriter {
 public:
  LitLoraWriter(AdapterForm form, const ModelConfig& config, const LoraHooks& hooks)
      : names_(
            (form == AdapterForm::kLitParrot ? lit_parrot_names() : litgpt_names()).names(config)),
        config_(config) {
    for (const auto& hook : hooks) add(*hook);
    const double first = hooks.front()->spec().scale * static_cast<double>(rank_);
    // A whole alpha, as LitGPT has it; what is left goes into B.
    const bool whole = first == std::floor(first) && first > 0 && kLoraAlpha.holds(first);
    alpha_ = whole ? first : static_cast<double>(rank_);
    if (form != AdapterForm::kLitParrot) return;
    if (parts_[1] || !roles_.empty())
      fail(
          "Lit-Parrot has LoRA on queries and values alone, and this adapter changes more; use "
          "--format litgpt");
    parts_[0] = parts_[2] = true;
  }

  SavedAdapter save(const MethodOptions& options) {
    for (const ModuleShape& module : modules_of(config_))
      if (module.kind == ModuleKind::kLinear && wanted(module)) save_module(module);
    std::sort(made_.tensors.begin(), made_.tensors.end(),
              [](const SavedTensor& a, const SavedTensor& b) { return a.name < b.name; });
    nlohmann::ordered_json json;
    json["lora_r"] = rank_;
    json["lora_alpha"] = static_cast<int64_t>(alpha_);
    json["lora_dropout"] = options.lora_dropout;
    for (size_t i = 0; i < std::size(kParts); ++i) json[kPartFlags[i]] = parts_[i];
    json["lora_projection"] = roles_.contains(Role::kDense);
    json["lora_mlp"] = in_mlp();
    json["lora_head"] = roles_.contains(Role::kHead);
    made_.config_json = json.dump(2) + "\n";
    return std::move(made_);
  }

 private:
  /// The ranks that rows of a part see.
  static SitePart::Range ranks_of(const LoraHook& hook, const SitePart& part) {
    int64_t begin = hook.spec().rank, end = 0;
    for (const LoraBlock& block : hook.spec().blocks)
      for (const RowRange& rows : part.rows)
        if (rows.begin < block.rows.begin + block.rows.count &&
            block.rows.begin < rows.begin + rows.count) {
          begin = std::min(begin, block.rank_begin);
          end = std::max(end, block.rank_begin + block.rank_count);
        }
    return {begin, std::max<int64_t>(0, end - begin)};
  }

  void add(const LoraHook& hook) {
    const LinearSite& site = *hook.spec().site;
    if (hook.spec().dora)
      fail("LitGPT has no DoRA; merge the adapter into the model, and export that");
    hooks_[site.id()] = &hook;
    if (site.parts().empty()) {
      roles_.insert(site.id().role);
      rank_ = std::max(rank_, hook.spec().rank);
      return;
    }
    for (size_t i = 0; i < std::size(kParts); ++i) {
      const int64_t ranks = ranks_of(hook, site.parts()[i]).count;
      parts_[i] = parts_[i] || ranks > 0;
      rank_ = std::max(rank_, ranks);
    }
  }

  bool in_mlp() const { return roles_.contains(Role::kUp) || roles_.contains(Role::kDown); }
  bool wanted(const ModuleShape& module) const {
    const Role role = module.id.role;
    if (!module.parts.empty()) return parts_[0] || parts_[1] || parts_[2];
    return role == Role::kUp || role == Role::kDown ? in_mlp() : roles_.contains(role);
  }

  void save_module(const ModuleShape& module) {
    const auto found = hooks_.find(module.id);
    const LoraHook* hook = found == hooks_.end() ? nullptr : found->second;
    const std::string base = names_(module.id);
    SavedTensor a{.name = base + ".lora_A"}, b{.name = base + ".lora_B"};
    for (size_t i = 0; i < module.parts.size(); ++i)
      if (parts_[i])
        append(hook, module.parts[i].rows, hook ? ranks_of(*hook, module.parts[i]) : RowRange{},
               module.in, a, b);
    if (module.parts.empty())
      append(hook, {{0, module.out}}, hook ? RowRange{0, hook->spec().rank} : RowRange{}, module.in,
             a, b);
    a.shape = {static_cast<int64_t>(a.values.size()) / module.in, module.in};
    b.shape = {static_cast<int64_t>(b.values.size()) / rank_, rank_};
    made_.tensors.push_back(std::move(a));
    made_.tensors.push_back(std::move(b));
  }

  /// rank_ rows of A, and rank_ columns of B for each of `rows`; zeros where the hook has none.
  void append(const LoraHook* hook, const std::vector<RowRange>& rows, RowRange ranks, int64_t in,
              SavedTensor& a, SavedTensor& b) const {
    for (int64_t r = 0; r < rank_; ++r) {
      if (r >= ranks.count) {
        a.values.insert(a.values.end(), static_cast<size_t>(in), 0.0f);
        continue;
      }
      const float* from = hook->a().value.row<float>(ranks.begin + r);
      a.values.insert(a.values.end(), from, from + in);
    }
    const double factor = hook ? hook->spec().scale / (alpha_ / static_cast<double>(rank_)) : 0.0;
    for (const RowRange& range : rows)
      for (int64_t m = range.begin; m < range.begin + range.count; ++m)
        for (int64_t r = 0; r < rank_; ++r)
          b.values.push_back(
              r < ranks.count
                  ? static_cast<float>(factor * hook->b().value.row<float>(m)[ranks.begin + r])
                  : 0.0f);
  }

  ModuleNames names_;
  const ModelConfig& config_;
  std::map<ModuleId, const LoraHook*> hooks_;
  bool parts_[std::size(kParts)] = {};  // of the fused matrices, that take part
  std::set<Role> roles_;                // of the others
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
