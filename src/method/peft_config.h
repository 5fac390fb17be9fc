// What PEFT's adapter_config.json says of a LoRA, by PEFT's rules (0.21.2).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/regex.h"
#include "method/base_changes.h"

namespace falconer {

/// What PEFT writes in front of the names of a model's modules.
inline constexpr std::string_view kPeftPrefix = "base_model.model.";

/// Whether `target` is the module's whole name, or its part behind a dot.
bool names_module(const std::string& module, const std::string& target);

class PeftConfig {
 public:
  /// `where` begins the errors: a number that is none or out of its range, a pattern that is no
  /// regular expression, a setting that is not supported or not known here (each is named).
  PeftConfig(const nlohmann::ordered_json& config, std::string where);

  int64_t rank = 8;
  double alpha = 8, dropout = 0;
  bool rslora = false, dora = false;
  BaseChanges::Settings beside;  // beside the LoRAs of linear layers
  const std::string& where() const { return where_; }

  // Keys of rank_pattern and alpha_pattern are regular expressions. Of those that match a module's whole
  // name, or its end behind a dot, the first in the file's order counts.
  int64_t rank_of(const std::string& module) const;
  double alpha_of(const std::string& module) const;

  /// Whether PEFT puts a LoRA on the module (`head`: it is the model's head, or the embedding: no linear layer
  /// between the two); nothing where the file
  /// does not say.
  std::optional<bool> targets(const std::string& module, bool head) const;

 private:
  using Patterns = std::vector<std::pair<Regex, double>>;
  /// Names as in target_modules, or one regular expression for whole names.
  struct Selection {
    bool said = false;
    std::vector<std::string> names;
    std::vector<Regex> whole;  // at most one

    bool names_it(const std::string& module) const;
    bool matches(const std::string& module) const;
  };

  void read_targets(const nlohmann::ordered_json& config);
  void read_beside(const nlohmann::ordered_json& config);
  void find_ties();
  Selection selection(const nlohmann::ordered_json& config, const char* key) const;
  Regex regex(const char* key, const std::string& pattern) const;
  double by_pattern(const Patterns& patterns, const std::string& module, double otherwise) const;
  bool in_layer(const std::string& module) const;

  std::string where_;
  Patterns ranks_, alphas_;
  bool all_linear_ = false;
  Selection targets_, excluded_;
  std::vector<Regex> saved_;     // modules_to_save, as they keep a LoRA away
  std::vector<int64_t> layers_;  // empty: all
  std::vector<Regex> layer_patterns_;
};

}  // namespace falconer
