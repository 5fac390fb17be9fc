#include "method/peft_config.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json_number.h"
#include "base/small_letters.h"
#include "method/method.h"

namespace falconer {
namespace {

using Json = nlohmann::ordered_json;

constexpr WholeRange kLayer{0, 1 << 20};

// Settings that are read below.
constexpr const char* kRead[] = {"r",
                                 "lora_alpha",
                                 "lora_dropout",
                                 "use_rslora",
                                 "use_dora",
                                 "rank_pattern",
                                 "alpha_pattern",
                                 "target_modules",
                                 "exclude_modules",
                                 "layers_to_transform",
                                 "layers_pattern",
                                 "init_lora_weights",
                                 "trainable_token_indices",
                                 "bias",
                                 "modules_to_save",
                                 "lora_bias",
                                 "ensure_weight_tying",
                                 "peft_type"};

// Settings that change nothing of what a finished adapter computes: where it comes from, and how it was
// begun.
constexpr const char* kWithoutEffect[] = {"auto_mapping",   "base_model_name_or_path",
                                          "revision",       "inference_mode",
                                          "peft_version",   "task_type",
                                          "runtime_config", "loftq_config",
                                          "eva_config",     "corda_config",
                                          "lora_ga_config", "megatron_config",
                                          "megatron_core",  "qalora_group_size",
                                          "merge_weights"};

template <size_t n>
bool is_one_of(const char* const (&names)[n], const std::string& name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Not set, whatever it is: PEFT writes every setting that it knows.
bool is_off(const Json& value) { return value == false || says_nothing(value); }

// Each setting is read, or changes nothing, or the adapter is refused: none is dropped in silence.
void refuse_others(const Json& config, const std::string& where) {
  for (const auto& [key, value] : config.items())
    if (!is_one_of(kRead, key) && !is_one_of(kWithoutEffect, key) && !is_off(value))
      fail(
          "{}: \"{}\" is set to {}, which is not supported; retrain the adapter without it, or "
          "merge it with PEFT",
          where, printable(key), found_text(value));
}

bool is_olora(const Json& config) {
  const auto found = config.find("init_lora_weights");
  return found != config.end() && found->is_string() &&
         small_letters(found->get<std::string>()) == "olora";
}

// Some ways to begin an adapter take a part out of the base's weights, each time that it is loaded.
void refuse_changed_base(const Json& config, const std::string& where) {
  constexpr const char* kBaseStays[] = {"gaussian", "orthogonal", "eva", "mica"};
  const auto found = config.find("init_lora_weights");
  if (found == config.end() || found->is_null() || found->is_boolean()) return;
  if (found->is_string() && is_one_of(kBaseStays, found->get<std::string>())) return;
  if (is_olora(config)) return;
  fail(
      "{}: \"init_lora_weights\" is {}: such an adapter belongs to a base that PEFT changes when "
      "it "
      "loads it, which is not supported; make a plain LoRA of it with PEFT "
      "(save_pretrained with path_initial_model_for_weight_conversion), or merge it with PEFT",
      where, found_text(*found));
}

bool is_match(const Regex& regex, const std::string& module) {
  return regex.find(module, 0).begin != std::string_view::npos;
}

// The number that the match of a layer's pattern ends with, before a dot; -1: there is none.
int64_t layer_of(const Regex& regex, const std::string& module) {
  const Regex::Span span = regex.find(module, 0);
  if (span.begin == std::string_view::npos) return -1;
  const size_t begin = module.rfind('.', span.end - 2) + 1;
  int64_t layer = -1;
  std::from_chars(module.data() + begin, module.data() + span.end - 1, layer);
  return layer;
}

}  // namespace

bool names_module(const std::string& module, const std::string& target) {
  return module == target || module.ends_with("." + target);
}

PeftConfig::PeftConfig(const Json& config, std::string where) : where_(std::move(where)) {
  const JsonFields<Json> fields(config, where_);
  rank = fields.whole("r", kFileRank).value_or(8);
  alpha = fields.real("lora_alpha", kFileAlpha).value_or(8);
  dropout = fields.real("lora_dropout", kLoraDropout).value_or(0);
  rslora = fields.boolean("use_rslora").value_or(false);
  dora = fields.boolean("use_dora").value_or(false);
  refuse_changed_base(config, where_);
  read_beside(config);
  refuse_others(config, where_);
  const auto patterns = [&](const char* key, const auto& number) {
    Patterns made;
    const Json* const object = fields.find(key);
    if (object == nullptr) return made;
    const JsonFields<Json> checked(*object, fmt::format("{}: \"{}\"", where_, key));
    for (const auto& [pattern, value] : object->items())
      made.emplace_back(regex(key, "\\A(.*\\.)?(" + pattern + ")$"),
                        number(value, pattern, checked.where()));
    return made;
  };
  ranks_ = patterns("rank_pattern",
                    [](const Json& value, const std::string& name, const std::string& in) {
                      return static_cast<double>(whole_number(value, name, kFileRank, in));
                    });
  alphas_ = patterns("alpha_pattern",
                     [](const Json& value, const std::string& name, const std::string& in) {
                       return real_number(value, name, kFileAlpha, in);
                     });
  read_targets(config);
  find_ties();
}

// PEFT ties head and embedding, if they are one in the model, where one of two names is in modules_to_save or
// target_modules. As it saves the adapter it leaves the embedding's own name there, which is not one of the two
// for Falcon: nothing is tied when it is loaded.
void PeftConfig::find_ties() {
  if (!beside.ensure_weight_tying) return;
  for (const char* name : {"lm_head", "embed_tokens"}) {
    const auto names_it = [&](const std::string& module) { return names_module(module, name); };
    if (std::any_of(beside.modules_to_save.begin(), beside.modules_to_save.end(), names_it) ||
        std::any_of(targets_.names.begin(), targets_.names.end(), names_it) ||
        std::any_of(targets_.whole.begin(), targets_.whole.end(),
                    [&](const Regex& regex) { return is_match(regex, name); }))
      beside.ties = name;
  }
}

void PeftConfig::read_beside(const Json& config) {
  const JsonFields<Json> fields(config, where_);
  const auto said = [&](const char* key) {
    const Json* const found = fields.find(key);
    return found != nullptr && !is_off(*found);
  };
  beside.olora = is_olora(config);
  beside.bias = fields.text("bias").value_or("none");
  if (beside.bias != "none" && beside.bias != "all" && beside.bias != "lora_only")
    fail("{}: \"bias\" is \"{}\"; expected none, all or lora_only", where_, printable(beside.bias));
  if (said("modules_to_save")) beside.modules_to_save = fields.texts("modules_to_save");
  if (std::find(beside.modules_to_save.begin(), beside.modules_to_save.end(), "") !=
      beside.modules_to_save.end())
    fail("{}: \"modules_to_save\" has an empty name; remove it", where_);
  for (const std::string& name : beside.modules_to_save)
    saved_.push_back(regex("modules_to_save", "\\A(?:(^|.*\\.)" + name + "($|\\..*))"));
  if (said("lora_bias")) beside.lora_bias = *fields.boolean("lora_bias");
  if (said("ensure_weight_tying"))
    beside.ensure_weight_tying = *fields.boolean("ensure_weight_tying");
  if (beside.lora_bias && dora)
    fail("{}: \"lora_bias\" and \"use_dora\" exclude each other, in PEFT too; remove one", where_);
}

void PeftConfig::read_targets(const Json& config) {
  const JsonFields<Json> fields(config, where_);
  const Json* const target = fields.find("target_modules");
  all_linear_ = target != nullptr && target->is_string() &&
                small_letters(target->get<std::string>()) == "all-linear";
  if (!all_linear_) targets_ = selection(config, "target_modules");
  excluded_ = selection(config, "exclude_modules");
  if (const Json* layers = fields.find("layers_to_transform")) {
    if (layers->is_array())
      layers_ = fields.wholes("layers_to_transform", kLayer);
    else
      layers_ = {*fields.whole("layers_to_transform", kLayer)};
  }
  std::vector<std::string> patterns;
  if (const Json* found = fields.find("layers_pattern")) {
    if (found->is_array())
      patterns = fields.texts("layers_pattern");
    else if (auto text = *fields.text("layers_pattern"); !text.empty())
      patterns = {std::move(text)};
  }
  for (const std::string& pattern : patterns)
    layer_patterns_.push_back(regex("layers_pattern", "\\A(?:|.*?\\.)" + pattern + "\\.[0-9]+\\."));
  if (patterns.empty())
    layer_patterns_.push_back(regex("layers_pattern", "\\A.*?\\.[^.]*\\.[0-9]+\\."));
}

PeftConfig::Selection PeftConfig::selection(const Json& config, const char* key) const {
  const JsonFields<Json> fields(config, where_);
  const Json* const found = fields.find(key);
  Selection made{.said = found != nullptr && !is_off(*found)};
  if (!made.said) return made;
  if (found->is_array())
    made.names = fields.texts(key);
  else
    made.whole.push_back(regex(key, "\\A(?:" + *fields.text(key) + ")\\z"));
  return made;
}

Regex PeftConfig::regex(const char* key, const std::string& pattern) const {
  try {
    return Regex(pattern);
  } catch (const Error& error) {
    fail("{}: \"{}\": {}", where_, key, error.what());
  }
}

double PeftConfig::by_pattern(const Patterns& patterns, const std::string& module,
                              double otherwise) const {
  for (const auto& [pattern, value] : patterns)
    if (is_match(pattern, module)) return value;
  return otherwise;
}

int64_t PeftConfig::rank_of(const std::string& module) const {
  return static_cast<int64_t>(by_pattern(ranks_, module, static_cast<double>(rank)));
}

double PeftConfig::alpha_of(const std::string& module) const {
  return by_pattern(alphas_, module, alpha);
}

bool PeftConfig::Selection::names_it(const std::string& module) const {
  return std::find(names.begin(), names.end(), module) != names.end();
}

bool PeftConfig::Selection::matches(const std::string& module) const {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return names_module(module, name); }) ||
         std::any_of(whole.begin(), whole.end(),
                     [&](const Regex& regex) { return is_match(regex, module); });
}

// Layers count only for modules that are named by their last part.
bool PeftConfig::in_layer(const std::string& module) const {
  if (layers_.empty()) return true;
  for (const Regex& pattern : layer_patterns_)
    if (const int64_t layer = layer_of(pattern, module); layer >= 0)
      return std::find(layers_.begin(), layers_.end(), layer) != layers_.end();
  return false;
}

std::optional<bool> PeftConfig::targets(const std::string& module, bool head) const {
  if (excluded_.matches(module)) return false;
  if (std::any_of(saved_.begin(), saved_.end(),
                  [&](const Regex& saved) { return is_match(saved, module); }))
    return false;
  if (all_linear_) return !head;
  if (!targets_.said) return std::nullopt;
  if (!targets_.matches(module)) return false;
  return !targets_.whole.empty() || targets_.names_it(module) || in_layer(module);
}

}  // namespace falconer
