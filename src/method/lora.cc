#include "method/lora.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/log.h"
#include "base/nearest.h"
#include "method/load_tensor.h"
#include "method/lora_file.h"
#include "method/lora_gguf.h"
#include "method/lora_lit.h"
#include "method/lora_targets.h"
#include "method/peft_config.h"
#include "model/arch/architecture.h"

namespace falconer {
namespace {

std::vector<LoraBlock> whole_block(const LinearSite& site, int64_t rank) {
  return {{.rows = {0, site.out()}, .rank_begin = 0, .rank_count = rank}};
}

// Each targeted part gets `r` ranks of its own, in the order q, k, v.
std::vector<LoraBlock> part_blocks(const LinearSite& site, const std::vector<std::string>& targets,
                                   int64_t r, int64_t& rank) {
  std::vector<LoraBlock> blocks;
  rank = 0;
  for (const SitePart& part : site.parts()) {
    if (std::find(targets.begin(), targets.end(), part.name) == targets.end()) continue;
    for (const SitePart::Range& rows : part.rows)
      blocks.push_back({.rows = rows, .rank_begin = rank, .rank_count = r});
    rank += r;
  }
  return blocks;
}

// The ranks that B uses in the rows of each part of a site; `end` is 0 where it uses none.
struct PartUse {
  std::string name;
  int64_t begin, end;
};

std::vector<PartUse> use_of_parts(const LinearSite& site, const Lora::ModuleSpec& module) {
  std::vector<PartUse> all;
  for (const SitePart& part : site.parts()) {
    PartUse use{part.name, module.rank, 0};
    for (const SitePart::Range& range : part.rows)
      for (int64_t m = range.begin; m < range.begin + range.count; ++m) {
        const Lora::ModuleSpec::Used& used = module.rows[static_cast<size_t>(m)];
        if (used.end == 0) continue;
        use.begin = std::min(use.begin, used.begin);
        use.end = std::max(use.end, used.end);
      }
    all.push_back(use);
  }
  return all;
}

// Whether each of `parts` has ranks of its own, in the site's order, and no other part uses any.
bool keeps_to(const std::vector<std::string>& parts, const std::vector<PartUse>& used,
              int64_t rank) {
  const int64_t count = std::ssize(parts);
  if (count == 0 || rank % count != 0) return false;
  const int64_t r = rank / count;
  int64_t i = 0;
  for (const PartUse& use : used) {
    const bool own = i < count && use.name == parts[static_cast<size_t>(i)];
    if (use.end > 0 && !(own && use.begin >= i * r && use.end <= (i + 1) * r)) return false;
    i += own ? 1 : 0;
  }
  return i == count;  // each is a part of the site, in its order
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text)
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

// "q, k and v"
std::string names_of_parts(const LinearSite& site) {
  std::string names;
  for (const SitePart& part : site.parts()) {
    const char* between = &part == &site.parts().back() ? " and " : ", ";
    names += (names.empty() ? "" : between) + part.name;
  }
  return names;
}

// The parts that an adapter on a fused site was made for: what its file says, or else those whose rows
// of B are not zero, if each of them has ranks of its own. None: it is for the whole site.
std::vector<std::string> parts_of(const LinearSite& site, const Lora::ModuleSpec& module,
                                  const std::string& where) {
  if (std::ssize(module.rows) != site.out()) return {};  // load() will say so
  if (module.parts == Lora::kWholeSite) return {};
  const std::vector<PartUse> used = use_of_parts(site, module);
  if (!module.parts.empty()) {
    const std::vector<std::string> said = split_at_commas(module.parts);
    if (!keeps_to(said, used, module.rank))
      fail(
          "{}: says that {} has a LoRA for \"{}\", and its tensors are not for that: expected "
          "some of {} in that order, a rank that they can share, and zeros for the rest",
          where, site.module(), printable(module.parts), names_of_parts(site));
    return said;
  }
  std::vector<std::string> names;
  for (const PartUse& use : used)
    if (use.end > 0) names.push_back(use.name);
  return keeps_to(names, used, module.rank) ? names : std::vector<std::string>{};
}

void check_dropout(double dropout) {
  if (!kLoraDropout.holds(dropout))
    fail_usage("--lora-dropout is {}, expected a share from 0 up to but not including 1", dropout);
}

void check_options(const MethodOptions& o) {
  if (!kLoraRank.holds(o.lora_r))
    fail_usage("--lora-r is {}, expected {}", o.lora_r, expectation(kLoraRank));
  if (!kLoraAlpha.holds(o.lora_alpha))
    fail_usage("--lora-alpha is {}, expected {}", o.lora_alpha, expectation(kLoraAlpha));
}

}  // namespace

std::vector<LoraHook::Spec> Lora::specs(Decoder& decoder) const {
  std::vector<LoraHook::Spec> made;
  std::vector<std::string> wanted = options_.lora_targets;
  for (std::string& one : wanted)
    one = name_from_files(architecture(config_.family), std::move(one));
  LoraTargets targets(wanted);
  for (LinearSite* site : decoder.sites()) {
    LoraHook::Spec spec{.site = site, .dropout = options_.lora_dropout, .dora = options_.lora_dora};
    const LoraTargets::Match match = targets.match(*site);
    if (!match) continue;
    if (match.whole) {
      spec.rank = options_.lora_r;
      spec.blocks = whole_block(*site, spec.rank);
    } else {
      spec.blocks = part_blocks(*site, match.parts, options_.lora_r, spec.rank);
    }
    const double r = static_cast<double>(options_.lora_r);
    spec.scale = options_.lora_alpha / (options_.lora_rs ? std::sqrt(r) : r);
    made.push_back(std::move(spec));
  }
  targets.check_all_met(decoder.sites());
  return made;
}

std::vector<LoraHook::Spec> Lora::specs_of_modules(Decoder& decoder) const {
  std::vector<LoraHook::Spec> made;
  std::map<std::string, ModuleSpec> left = modules_;
  for (LinearSite* site : decoder.sites()) {
    const auto found = left.find(site->module());
    const std::optional<bool> meant = targets_(site->module(), site == &decoder.head());
    if (found == left.end()) {
      if (meant == true)
        fail(
            "{}: the adapter has nothing for {}, which its target_modules name and this model has; "
            "is it for another model?",
            where_, site->module());
      continue;
    }
    if (meant == false)
      fail(
          "{}: the adapter has tensors for {}, which its target_modules do not name, so that PEFT "
          "would leave them out; name it there, or remove the tensors",
          where_, site->module());
    const ModuleSpec& module = found->second;
    LoraHook::Spec spec{.site = site,
                        .rank = module.rank,
                        .scale = module.scale,
                        .dropout = options_.lora_dropout,
                        .dora = options_.lora_dora};
    const std::vector<std::string> parts = parts_of(*site, module, where_);
    const int64_t count = std::ssize(parts);
    int64_t rank = 0;
    spec.blocks = count > 0 ? part_blocks(*site, parts, module.rank / count, rank)
                            : whole_block(*site, module.rank);
    made.push_back(std::move(spec));
    left.erase(found);
  }
  if (!left.empty())
    fail("{}: the adapter changes {}, which this model does not have; is it for another model?",
         where_, left.begin()->first);
  return made;
}

// As specs_of_modules(), for the embedding.
void Lora::check_embedding(const Weights& weights) const {
  const std::string& name = weights.embedding->name;
  const std::string module = name.substr(0, name.rfind('.'));
  const std::string& own = changes_.embedding().module;
  const std::optional<bool> meant = targets_(module, true);
  if (own.empty() && meant == true && !changes_.keeps(std::string(kPeftPrefix) + name))
    fail(
        "{}: the adapter has nothing for {}, which its target_modules name and this model has; "
        "is it for another model?",
        where_, module);
  if (!own.empty() && own != module)
    fail("{}: the adapter changes {}, which this model does not have; is it for another model?",
         where_, own);
  if (!own.empty() && meant == false)
    fail(
        "{}: the adapter has tensors for {}, which its target_modules do not name, so that PEFT "
        "would leave them out; name it there, or remove the tensors",
        where_, module);
}

void Lora::read_from(const TensorFiles& files, const std::set<std::string>& copies) {
  files_ = &files;
  copies_ = copies;
}

void Lora::attach(Run& run, Decoder& decoder, Weights& weights, Arena& fixed, bool training) {
  run_ = &run;
  config_ = decoder.config();
  check_dropout(options_.lora_dropout);
  const bool from_file = targets_ != nullptr;
  if (!from_file) check_options(options_);
  for (const LinearSite* site : decoder.sites()) sites_.push_back(site->module());
  std::vector<LoraHook::Spec> all = from_file ? specs_of_modules(decoder) : specs(decoder);
  if (from_file) check_embedding(weights);
  if (files_ != nullptr) {
    std::map<std::string, BaseChanges::LoraSize> loras;
    for (const LoraHook::Spec& spec : all) loras[spec.site->module()] = {spec.rank, spec.scale};
    changes_.attach(run, *files_, copies_, loras, decoder, weights, fixed);
    if (training && all.empty())
      fail(
          "{}: has a LoRA of the embedding alone, and finetune trains LoRAs of linear layers; give "
          "--init-adapter another one, or train on with PEFT",
          where_);
    if (training && !changes_.none() && !fixed.measuring())
      log_warning(
          "{}: {} and what else stands beside its LoRAs of linear layers stays as it is in "
          "training",
          where_, changes_.first_name());
  }
  const auto on_out_proj = [](const LoraHook::Spec& spec) {
    return spec.site->id().role == Role::kSsmOut;
  };
  if (training && !from_file && !fixed.measuring() &&
      std::any_of(all.begin(), all.end(), on_out_proj))
    log_info(
        "LoRA on out_proj: PEFT refuses such an adapter of a model with state space layers; "
        "Falconer has it, and other programs have it merged");
  for (LoraHook::Spec& spec : all) {
    auto hook = std::make_unique<LoraHook>(std::move(spec));
    hook->allocate(run, fixed, training);
    hook->spec().site->attach(hook.get());
    params_.push_back(&hook->a());
    params_.push_back(&hook->b());
    if (hook->magnitude() != nullptr) params_.push_back(hook->magnitude());
    hooks_.push_back(std::move(hook));
  }
  if (tokens_ == nullptr && options_.vocab > weights.embedding->rows())
    tokens_ = std::make_unique<TokenRows>(options_.vocab);
  if (tokens_ == nullptr) return;
  tokens_->attach(run, decoder, weights, fixed, training);
  const bool own_head = &decoder.head().weight() != weights.head().w;
  if (tokens_->trainable_count() > 0 && (own_head || changes_.embedding().rank > 0))
    fail(
        "{}: has rows of the embedding (\"trainable_token_indices\") beside {}, which is not "
        "supported; merge it with PEFT",
        where_, own_head ? "a head that it unties from it" : "a LoRA of the embedding");
  tokens_->add_to(params_);
  config_.vocab = weights.embedding->rows();
}

void Lora::initialise(uint64_t seed) {
  for (const auto& hook : hooks_) {
    hook->initialise(seed);
    if (hook->magnitude() != nullptr) hook->reset_magnitude(*run_);
    if (!hook->trainable()) hook->prepare_inference(*run_);
  }
  if (tokens_ != nullptr) tokens_->initialise();
}

int64_t Lora::trainable_count() const {
  int64_t total = 0;
  for (const auto& hook : hooks_) total += hook->trainable_count();
  if (tokens_ != nullptr) total += tokens_->trainable_count();
  return total;
}

SavedAdapter Lora::save() const {
  SavedAdapter saved = lora_to_peft(options_, hooks_, sites_, changes_);
  if (tokens_ != nullptr) tokens_->add_to(saved);
  return saved;
}

SavedAdapter Lora::save_as(AdapterForm form) const {
  if (form == AdapterForm::kOwn) return save();
  if (tokens_ != nullptr && tokens_->trainable_count() > 0)
    fail(
        "the adapter has rows of the embedding of its own, and only PEFT's form has a place for "
        "that: merge it into the model, and export that; or --format peft");
  if (!changes_.none())
    fail(
        "the adapter has {} in the place of the base's, or beside it, and only PEFT's form has a "
        "place for that: merge it into the model, and export that; or --format peft",
        changes_.first_name());
  return form == AdapterForm::kGguf ? lora_to_gguf(config_, hooks_)
                                    : lora_to_lit(form, options_, config_, hooks_);
}

void Lora::load(const TensorFiles& files, const std::set<std::string>& copies) {
  AdapterReader reader(files, copies);
  if (form_ == FileForm::kLitGpt)
    load_lit_lora(reader, hooks_, config_);
  else
    load_peft_lora(reader, hooks_);
  changes_.load(reader);
  if (tokens_ != nullptr) tokens_->load(reader);
  reader.finish();
  files_ = nullptr;
  for (const auto& hook : hooks_)
    if (!hook->trainable()) hook->prepare_inference(*run_);
}

ModelConfig Lora::merged_config(const ModelConfig& config) const {
  ModelConfig merged = config;
  merged.vocab = config_.vocab;
  for (const auto& hook : hooks_)
    if (hook->spec().site->id().role == Role::kHead)
      merged.tied_head = false;  // the head's product changed, the embedding's rows did not
  changes_.change_config(merged);
  return merged;
}

bool Lora::merges_into(const std::string& name) const {
  if (tokens_ != nullptr && tokens_->merges_into(name)) return true;
  return changes_.merges_into(name) ||
         std::any_of(hooks_.begin(), hooks_.end(), [&](const auto& hook) {
           return name == hook->spec().site->module() + ".weight";
         });
}

void Lora::merge_tensor(const std::string& name, const View& values) const {
  const bool table = tokens_ != nullptr && tokens_->merges_into(name);
  changes_.merge_tensor(name, table ? values.row_range(0, tokens_->base_rows()) : values);
  if (table) tokens_->merge(name, values);
  for (const auto& hook : hooks_)
    if (name == hook->spec().site->module() + ".weight") hook->merge(values);
}

std::unique_ptr<Method> make_lora(const MethodOptions& options) {
  return std::make_unique<Lora>(options);
}

}  // namespace falconer
