// Which linear layers a list of targets means (--lora-targets, Python's lora_targets).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/regex.h"
#include "model/site.h"

namespace falconer {

/// A target is a role of today's families ("q", "k", "v", "o", "gate", "up", "down", "head"; "qkv" for the
/// three), a module's name or the end of one behind a dot ("query_key_value", "mlp.up_proj"), "all-linear"
/// (all but the head), or a regular expression for whole names, as PEFT's target_modules ("model\.layers\.[0-7]\..*").
class LoraTargets {
 public:
  /// Errors (usage): none; a regular expression that is none.
  explicit LoraTargets(const std::vector<std::string>& targets);

  /// All of a layer; or the parts of it that are meant, by name: "q" and "v" of a fused one.
  struct Match {
    bool whole = false;
    std::vector<std::string> parts;

    explicit operator bool() const { return whole || !parts.empty(); }
  };
  Match match(const LinearSite& site);
  /// Error (usage): a target that match() never met. `sites` are the model's, for the message.
  void check_all_met(const std::vector<LinearSite*>& sites) const;

 private:
  struct Target {
    std::string text;
    std::vector<Regex> regex;  // at most one
    bool met = false;
  };
  std::vector<Target> targets_;
};

/// The targets that mean a layer, as settings and records have them: "q", or "dense" of one that is called so.
std::string target_of(const LinearSite& site);

}  // namespace falconer
