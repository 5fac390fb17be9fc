#include "model/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "ops/rope.h"

namespace falconer {
namespace {

// Numbers that Python has as such are double here, and tensors are f32, step by step: the last bit of a
// frequency turns the thousandth position by a thousand times as much.

struct RopeShape {
  double base;
  int64_t dims, context, original;
};

std::vector<float> plain_frequencies(int64_t dims, double base) {
  std::vector<float> values = rope_periods(dims, base);
  for (float& value : values) value = 1.0f / value;
  return values;
}

std::vector<float> linear_frequencies(const RopeShape& shape, double factor) {
  std::vector<float> values = plain_frequencies(shape.dims, shape.base);
  for (float& value : values) value /= static_cast<float>(factor);
  return values;
}

// A larger base: the slowest frequency is stretched by the factor, the fastest stays.
std::vector<float> dynamic_frequencies(const RopeShape& shape, double factor, int64_t positions) {
  const double length = static_cast<double>(std::max(positions, shape.context));
  const double stretch = factor * length / static_cast<double>(shape.context) - (factor - 1);
  const double dims = static_cast<double>(shape.dims);
  return plain_frequencies(shape.dims, shape.base * std::pow(stretch, dims / (dims - 2)));
}

// Wavelengths that fit often into the original context stay, those that hardly fit are stretched, and
// between them it goes smoothly.
std::vector<float> llama3_frequencies(const RopeShape& shape, const RopeScaling& s, double factor) {
  const double original = static_cast<double>(shape.original);
  const float longest = static_cast<float>(original / s.low_freq_factor);
  const float shortest = static_cast<float>(original / s.high_freq_factor);
  const float low = static_cast<float>(s.low_freq_factor), by = static_cast<float>(factor);
  const float range = static_cast<float>(s.high_freq_factor - s.low_freq_factor);
  std::vector<float> values = plain_frequencies(shape.dims, shape.base);
  for (float& value : values) {
    const float wavelength = static_cast<float>(2 * std::numbers::pi) / value;
    if (wavelength > longest) {
      value /= by;
    } else if (wavelength >= shortest) {
      const float smooth = (static_cast<float>(original) / wavelength - low) / range;
      const float stretched = (1.0f - smooth) * value / by;
      const float kept = smooth * value;
      value = stretched + kept;
    }
  }
  return values;
}

// The dimension whose frequency turns `rotations` times within the original context.
double turning_dimension(const RopeShape& shape, double rotations) {
  const double turns = static_cast<double>(shape.original) / (rotations * 2 * std::numbers::pi);
  return static_cast<double>(shape.dims) * std::log(turns) / (2 * std::log(shape.base));
}

// Dimensions that turn often stay, those that turn seldom are stretched, and a ramp lies between them
// (Peng et al., YaRN, 2023).
std::vector<float> yarn_frequencies(const RopeShape& shape, const RopeScaling& s, double factor) {
  double low = turning_dimension(shape, s.beta_fast), high = turning_dimension(shape, s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(shape.dims - 1));
  if (low == high) high += 0.001;
  std::vector<float> values = rope_periods(shape.dims, shape.base);
  for (size_t i = 0; i < values.size(); ++i) {
    const float from_low = static_cast<float>(i) - static_cast<float>(low);
    const float ramp = std::clamp(from_low / static_cast<float>(high - low), 0.0f, 1.0f);
    const float kept = 1.0f - ramp;
    const float stretched_part = 1.0f / (static_cast<float>(factor) * values[i]) * (1.0f - kept);
    const float kept_part = 1.0f / values[i] * kept;
    values[i] = stretched_part + kept_part;
  }
  return values;
}

double yarn_magnitude(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double yarn_attention_factor(const RopeScaling& s, double factor) {
  if (s.attention_factor) return *s.attention_factor;
  const double mscale = s.mscale.value_or(0), all = s.mscale_all_dim.value_or(0);
  if (mscale != 0 && all != 0) return yarn_magnitude(factor, mscale) / yarn_magnitude(factor, all);
  return yarn_magnitude(factor, 1);
}

std::vector<float> long_frequencies(const RopeShape& shape, const RopeScaling& s, bool beyond) {
  const std::vector<double>& factors = beyond ? s.long_factors : s.short_factors;
  std::vector<float> values = rope_periods(shape.dims, shape.base);
  if (factors.size() != values.size())
    fail("rope_scaling's {} has {} numbers, and {} rotated dimensions need {}: one for each pair",
         beyond ? "long_factor" : "short_factor", factors.size(), shape.dims, values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(factors[i] > 0))
      fail("rope_scaling's {} has the number {}; each has to be above 0",
           beyond ? "long_factor" : "short_factor", factors[i]);
    values[i] = 1.0f / (static_cast<float>(factors[i]) * values[i]);
  }
  return values;
}

double long_attention_factor(const RopeScaling& s, const RopeShape& shape, double factor) {
  if (s.attention_factor) return *s.attention_factor;
  if (factor <= 1) return 1;
  return std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(shape.original)));
}

}  // namespace

std::optional<RopeType> rope_type_of(std::string_view name) {
  if (name == "default") return RopeType::kDefault;
  if (name == "linear") return RopeType::kLinear;
  if (name == "dynamic") return RopeType::kDynamic;
  if (name == "llama3") return RopeType::kLlama3;
  if (name == "yarn") return RopeType::kYarn;
  if (name == "longrope" || name == "su") return RopeType::kLongRope;
  return std::nullopt;
}

RopeFrequencies rope_frequencies(const RopeScaling& scaling, double base, int64_t dims,
                                 int64_t context, int64_t positions) {
  const int64_t original = scaling.original_context > 0 ? scaling.original_context : context;
  const RopeShape shape{base, dims, context, original};
  const bool by_contexts = scaling.type == RopeType::kYarn || scaling.type == RopeType::kLongRope;
  const double factor = scaling.factor.value_or(
      by_contexts ? static_cast<double>(context) / static_cast<double>(original) : 1.0);
  if (!(factor > 0)) fail("rope_scaling's factor is {}; it has to be above 0", factor);
  switch (scaling.type) {
    case RopeType::kDefault:
      return {plain_frequencies(dims, base)};
    case RopeType::kLinear:
      return {linear_frequencies(shape, factor)};
    case RopeType::kDynamic:
      return {dynamic_frequencies(shape, factor, positions)};
    case RopeType::kLlama3:
      return {llama3_frequencies(shape, scaling, factor)};
    case RopeType::kYarn:
      return {yarn_frequencies(shape, scaling, factor),
              static_cast<float>(yarn_attention_factor(scaling, factor))};
    case RopeType::kLongRope:
      break;
  }
  return {long_frequencies(shape, scaling, positions > original),
          static_cast<float>(long_attention_factor(scaling, shape, factor))};
}

}  // namespace falconer
