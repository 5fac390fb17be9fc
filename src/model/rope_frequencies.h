// Frequencies of rotary position embedding for contexts longer than a model was pretrained on, as
// config.json's rope_scaling (today rope_parameters) asks for them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace falconer {

/// What transformers 5.24 computes in modeling_rope_utils.py under these names.
enum class RopeType { kDefault, kLinear, kDynamic, kLlama3, kYarn, kLongRope };

/// "default", "linear", "dynamic", "llama3", "yarn" or "longrope" ("su": as Phi-3 called it first); nothing for
/// any other.
std::optional<RopeType> rope_type_of(std::string_view name);

/// One for each of a type's keys; a type does not look at the others.
struct RopeScaling {
  RopeType type = RopeType::kDefault;
  /// Absent: 1, and of yarn and longrope the model's context over the original one.
  std::optional<double> factor;
  /// Positions of pretraining; 0: the model's context.
  int64_t original_context = 0;
  // llama3
  double low_freq_factor = 1, high_freq_factor = 4;
  // yarn, and of longrope attention_factor
  std::optional<double> attention_factor, mscale, mscale_all_dim;
  double beta_fast = 32, beta_slow = 1;
  bool truncate = true;
  // longrope: a factor for each frequency
  std::vector<double> short_factors, long_factors;
};

struct RopeFrequencies {
  std::vector<float> values;  // R/2
  float factor = 1;           // on cosines and sines
};

/// For R = `dims` rotated dimensions of a model for `context` positions. `positions` is how far a
/// sequence goes: beyond `context` dynamic stretches its base, and beyond the original context longrope
/// takes its long factors. Fails on factors that are not positive, and on longrope's lists where they
/// are not as long as R/2.
RopeFrequencies rope_frequencies(const RopeScaling& scaling, double base, int64_t dims,
                                 int64_t context, int64_t positions = 0);

}  // namespace falconer
