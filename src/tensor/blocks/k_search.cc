#include "tensor/blocks/k_search.h"

#include <algorithm>
#include <cmath>

#include "tensor/blocks/search.h"
#include "tensor/dtype.h"

namespace falconer {
namespace {

constexpr int64_t kValues = 256;
constexpr int kPasses = 3;

float as_half(float x) { return static_cast<float>(F16(x)); }

class KSearch {
 public:
  KSearch(const float* values, const float* importance, const KShape& shape)
      : values_(values), shape_(shape), groups_(kValues / shape.group) {
    for (int64_t i = 0; i < kValues; ++i) weights_[i] = importance == nullptr ? 1 : importance[i];
  }

  KBlock found() {
    for (int64_t g = 0; g < groups_; ++g)
      wanted_[g] = shape_.minimums
                       ? searched_scale_minimum(group(g), shape_.most, AnyMinimum::kNo)
                       : ScaleMinimum{searched_scale(group(g), shape_.lowest, shape_.most), 0};
    begin();
    settle_groups();
    for (int pass = 0; pass < kPasses; ++pass) {
      const KBlock before = block_;
      const double error = error_;
      fit_scales();
      settle_groups();
      if (error_ < error) continue;
      block_ = before;
      break;
    }
    write_codes();
    return block_;
  }

 private:
  Weighted group(int64_t g) const {
    return {values_ + g * shape_.group, weights_ + g * shape_.group, shape_.group};
  }
  ScaleMinimum scaled(int scale, int minimum) const {
    return {block_.d * static_cast<float>(scale), block_.e * static_cast<float>(minimum)};
  }

  /// The largest scale gets the code that is farthest from 0.
  void begin() {
    float largest = 0, minimum = 0;
    for (int64_t g = 0; g < groups_; ++g) {
      if (std::fabs(wanted_[g].scale) > std::fabs(largest)) largest = wanted_[g].scale;
      minimum = std::max(minimum, wanted_[g].minimum);
    }
    const int end = shape_.lowest_scale < 0 ? shape_.lowest_scale : shape_.most_scale;
    block_.d = as_half(largest / static_cast<float>(end));
    block_.e = as_half(minimum / static_cast<float>(shape_.most_scale));
    for (int64_t g = 0; g < groups_; ++g) {
      block_.scales[g] = code(wanted_[g].scale, block_.d, shape_.lowest_scale, shape_.most_scale);
      block_.minimums[g] = code(wanted_[g].minimum, block_.e, 0, shape_.most_scale);
    }
  }

  static int code(float value, float unit, int lowest, int most) {
    const float exact = unit == 0 ? 0 : std::round(value / unit);
    if (!(exact > static_cast<float>(lowest))) return lowest;  // or no number: the unit is infinite
    return exact < static_cast<float>(most) ? static_cast<int>(exact) : most;
  }

  /// For each group the codes of scale and minimum around those that it has with which it is best.
  void settle_groups() {
    error_ = 0;
    for (int64_t g = 0; g < groups_; ++g) error_ += settle(g);
  }

  double settle(int64_t g) {
    const int scale = block_.scales[g], minimum = block_.minimums[g];
    const int reach = shape_.minimums ? 1 : 0;
    float best = INFINITY;
    for (int s = scale - 1; s <= scale + 1; ++s)
      for (int m = minimum - reach; m <= minimum + reach; ++m) {
        if (s < shape_.lowest_scale || s > shape_.most_scale || m < 0 || m > shape_.most_scale)
          continue;
        const float error = error_with(group(g), scaled(s, m), shape_.lowest, shape_.most);
        if (!(error < best)) continue;
        best = error;
        block_.scales[g] = s;
        block_.minimums[g] = m;
      }
    return static_cast<double>(best);
  }

  /// The best d and e for the codes that there are.
  void fit_scales() {
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;  // of x = d a - e b
    int8_t codes[kMostSearched];
    for (int64_t g = 0; g < groups_; ++g) {
      const Weighted v = group(g);
      codes_with(v, scaled(block_.scales[g], block_.minimums[g]), shape_.lowest, shape_.most,
                 codes);
      for (int64_t i = 0; i < v.count; ++i) {
        const double w = static_cast<double>(v.weight[i]), x = static_cast<double>(v.x[i]);
        const double a = block_.scales[g] * codes[i], b = block_.minimums[g];
        aa += w * a * a;
        ab += w * a * b;
        bb += w * b * b;
        ax += w * a * x;
        bx += w * b * x;
      }
    }
    const double determinant = aa * bb - ab * ab;
    double d =
        aa > 0 ? (ax + static_cast<double>(block_.e) * ab) / aa : static_cast<double>(block_.d);
    double e = static_cast<double>(block_.e);
    if (shape_.minimums && determinant > 1e-9 * aa * bb) {
      d = (ax * bb - ab * bx) / determinant;
      e = (ab * ax - aa * bx) / determinant;
    }
    if (shape_.minimums && (d < 0 || e < 0)) return;
    block_.d = as_half(static_cast<float>(d));
    block_.e = as_half(static_cast<float>(e));
  }

  void write_codes() {
    int8_t codes[kMostSearched];
    for (int64_t g = 0; g < groups_; ++g) {
      codes_with(group(g), scaled(block_.scales[g], block_.minimums[g]), shape_.lowest, shape_.most,
                 codes);
      for (int64_t i = 0; i < shape_.group; ++i)
        block_.codes[g * shape_.group + i] = static_cast<uint8_t>(codes[i] - shape_.lowest);
    }
  }

  const float* values_;
  const KShape shape_;
  const int64_t groups_;
  float weights_[kValues];
  ScaleMinimum wanted_[16];
  KBlock block_;
  double error_ = 0;
};

}  // namespace

KBlock searched_k(const float* values, const float* importance, const KShape& shape) {
  return KSearch(values, importance, shape).found();
}

}  // namespace falconer
