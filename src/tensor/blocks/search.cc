#include "tensor/blocks/search.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace falconer {
namespace {

// Sums are taken in so many lanes: without an order that is fixed from first to last they are vectors.
constexpr int64_t kSearchLanes = 8;
constexpr int kMostRounds = 4;

struct Lanes {
  float sum[kSearchLanes] = {};
  double total() const {
    double all = 0;
    for (const float one : sum) all += static_cast<double>(one);
    return all;
  }
};

/// The nearest whole number from `lowest` to `most` (the lowest for what is none), without a call: by the bits that a large addend leaves.
inline float nearest_code(float x, float lowest, float most) {
  constexpr float kShift = 12582912;  // 1.5 * 2^23
  return (std::min(std::max(lowest, x), most) + kShift) - kShift;
}

struct Sums {
  double w = 0, wx = 0, wxx = 0;    // of the values
  double wq = 0, wqq = 0, wxq = 0;  // of their codes
};

Sums sums_of(const Weighted& v) {
  Lanes w, wx, wxx;
  for (int64_t i = 0; i < v.count; i += kSearchLanes)
    for (int64_t k = 0; k < kSearchLanes; ++k) {
      const float x = v.x[i + k], weight = v.weight[i + k];
      w.sum[k] += weight;
      wx.sum[k] += weight * x;
      wxx.sum[k] += weight * x * x;
    }
  return {.w = w.total(), .wx = wx.total(), .wxx = wxx.total()};
}

/// Those of the codes q = (x + add) * inverse as well.
Sums sums_with(const Weighted& v, Sums sums, float inverse, float add, float lowest, float most) {
  Lanes wq, wqq, wxq;
  for (int64_t i = 0; i < v.count; i += kSearchLanes)
    for (int64_t k = 0; k < kSearchLanes; ++k) {
      const float x = v.x[i + k];
      const float q = nearest_code((x + add) * inverse, lowest, most);
      const float weighted = v.weight[i + k] * q;
      wq.sum[k] += weighted;
      wqq.sum[k] += weighted * q;
      wxq.sum[k] += weighted * x;
    }
  sums.wq = wq.total();
  sums.wqq = wqq.total();
  sums.wxq = wxq.total();
  return sums;
}

/// What the best scale for given codes takes off the squared error, and that scale.
struct Gain {
  double gain = 0;
  float scale = 0;
};

Gain gain_of(const Weighted& v, float inverse, float lowest, float most) {
  Lanes wqq, wxq;
  for (int64_t i = 0; i < v.count; i += kSearchLanes)
    for (int64_t k = 0; k < kSearchLanes; ++k) {
      const float x = v.x[i + k], weight = v.weight[i + k];
      const float q = nearest_code(x * inverse, lowest, most);
      wqq.sum[k] += weight * q * q;
      wxq.sum[k] += weight * x * q;
    }
  const double qq = wqq.total(), xq = wxq.total();
  if (!(qq > 0)) return {};
  return {xq * xq / qq, static_cast<float>(xq / qq)};
}

/// Codes to scale, scale to codes, as long as it gets better.
Gain settled(const Weighted& v, Gain best, float lowest, float most) {
  for (int round = 0; round < kMostRounds && best.scale != 0; ++round) {
    const Gain next = gain_of(v, 1 / best.scale, lowest, most);
    if (!(next.gain > best.gain)) break;
    best = next;
  }
  return best;
}

struct Fit {
  double error = 0;
  ScaleMinimum chosen;
};

/// The best scale and minimum for the codes of `s`.
Fit fit_of(const Sums& s, AnyMinimum any) {
  const double determinant = s.w * s.wqq - s.wq * s.wq;
  double scale = 0, low = s.w > 0 ? s.wx / s.w : 0;  // value = scale * q + low
  if (determinant > 0) {
    scale = (s.w * s.wxq - s.wx * s.wq) / determinant;
    low = (s.wqq * s.wx - s.wq * s.wxq) / determinant;
  }
  if (any == AnyMinimum::kNo && low > 0) {
    low = 0;
    scale = s.wqq > 0 ? s.wxq / s.wqq : 0;
  }
  const double error = scale * scale * s.wqq + 2 * scale * low * s.wq + low * low * s.w -
                       2 * scale * s.wxq - 2 * low * s.wx + s.wxx;
  return {error, {static_cast<float>(scale), static_cast<float>(-low)}};
}

}  // namespace

float searched_scale(const Weighted& values, int lowest, int most) {
  FALCONER_CHECK(values.count % kSearchLanes == 0 && values.count <= kMostSearched);
  float largest = 0;
  for (int64_t i = 0; i < values.count; ++i)
    if (std::fabs(values.x[i]) > std::fabs(largest)) largest = values.x[i];
  if (!(std::fabs(1 / largest) < 1e37f)) return 0;
  const auto low = static_cast<float>(lowest), high = static_cast<float>(most);
  Gain best;
  // The largest magnitude a little inside of the last code, on it, or beyond, at either end. Where there are many codes,
  // little changes from one step to the next.
  const int stride = most - lowest < 16 ? 2 : 4;
  for (const float end : {low, high})
    for (int step = -8; step <= 8; step += stride) {
      const float inverse = (end + 0.1f * static_cast<float>(step)) / largest;
      const Gain next = gain_of(values, inverse, low, high);
      if (next.gain > best.gain) best = next;
    }
  if (!(best.gain > 0)) return largest / low;  // nothing counts
  return settled(values, best, low, high).scale;
}

ScaleMinimum searched_scale_minimum(const Weighted& values, int most, AnyMinimum any) {
  FALCONER_CHECK(values.count % kSearchLanes == 0 && values.count <= kMostSearched);
  float low = *std::min_element(values.x, values.x + values.count);
  const float high = *std::max_element(values.x, values.x + values.count);
  if (any == AnyMinimum::kNo) low = std::min(low, 0.0f);
  const auto top = static_cast<float>(most);
  if (!(1 / (high - low) < 1e37f)) return {0, -low};
  const Sums sums = sums_of(values);
  const auto tried = [&](float inverse, float add) {
    return fit_of(sums_with(values, sums, inverse, add, 0, top), any);
  };
  Fit best = tried(top / (high - low), -low);
  const auto take = [&](const Fit& next) {
    const bool better = next.error < best.error && next.chosen.scale > 0;
    if (better) best = next;
    return better;
  };
  const int stride = most < 16 ? 1 : 2;  // of many codes, little changes from one step to the next
  for (int step = -10; step <= 10; step += stride)
    take(tried((top + 0.1f * static_cast<float>(step)) / (high - low), -low));
  for (int round = 0; round < kMostRounds && best.chosen.scale > 0; ++round)
    if (!take(tried(1 / best.chosen.scale, best.chosen.minimum))) break;
  if (!(best.chosen.scale > 0)) return {(high - low) / top, -low};  // nothing counts
  return best.chosen;
}

float error_with(const Weighted& values, ScaleMinimum chosen, int lowest, int most) {
  const float inverse = chosen.scale == 0 ? 0 : 1 / chosen.scale;
  const auto low = static_cast<float>(lowest), high = static_cast<float>(most);
  Lanes error;
  for (int64_t i = 0; i < values.count; i += kSearchLanes)
    for (int64_t k = 0; k < kSearchLanes; ++k) {
      const float x = values.x[i + k];
      const float q = nearest_code((x + chosen.minimum) * inverse, low, high);
      const float off = x - (chosen.scale * q - chosen.minimum);
      error.sum[k] += values.weight[i + k] * off * off;
    }
  return static_cast<float>(error.total());
}

void codes_with(const Weighted& values, ScaleMinimum chosen, int lowest, int most, int8_t* codes) {
  const float inverse = chosen.scale == 0 ? 0 : 1 / chosen.scale;
  for (int64_t i = 0; i < values.count; ++i)
    codes[i] =
        static_cast<int8_t>(nearest_code((values.x[i] + chosen.minimum) * inverse,
                                         static_cast<float>(lowest), static_cast<float>(most)));
}

}  // namespace falconer
