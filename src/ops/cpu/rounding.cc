#include "ops/cpu/rounding.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/rounding.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

constexpr float kLeastMagnitude = 1e-30f;

/// What is looked at in a group: its largest magnitude, and 0, or NaN where a number is not finite.
struct Seen {
  VecF most, broken;
  HWY_INLINE void look(VecF x) {
    most = hn::Max(most, hn::Abs(x));
    broken = hn::MulAdd(x, hn::Zero(F32()), broken);
  }
};

float round_one_group(const float* from, int64_t count, int8_t* codes) {
  const F32 d;
  const hn::Rebind<int8_t, F32> d8;
  Seen seen{hn::Zero(d), hn::Zero(d)};
  for (int64_t i = 0; i < count; i += lanes()) seen.look(load(from + i));
  const float broken = hn::GetLane(hn::SumOfLanes(d, seen.broken));
  const float most = hn::GetLane(hn::MaxOfLanes(d, seen.most));
  if (broken != 0 || most < kLeastMagnitude) {
    std::memset(codes, 0, static_cast<size_t>(count));
    return broken != 0 ? broken : 0;
  }
  const VecF inverse = hn::Set(d, 127 / most);
  for (int64_t i = 0; i < count; i += lanes())
    hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(hn::Mul(load(from + i), inverse))), d8, codes + i);
  return most / 127;
}

/// The columns of one vector.
HWY_INLINE void round_some_columns(const float* from, int64_t rows, int64_t stride, uint8_t* codes,
                                   int64_t step, float* scales) {
  const F32 d;
  const hn::RebindToUnsigned<F32> du;
  Seen seen{hn::Zero(d), hn::Zero(d)};
  for (int64_t i = 0; i < rows; ++i) seen.look(load(from + i * stride));
  const auto some = hn::Ge(seen.most, hn::Set(d, kLeastMagnitude));
  const VecF inverse = hn::IfThenElseZero(some, hn::Div(hn::Set(d, 127), seen.most));
  const VecF scale = hn::IfThenElseZero(some, hn::Div(seen.most, hn::Set(d, 127)));
  store(hn::Add(scale, seen.broken), scales);
  const auto code = [&](int64_t i) HWY_ATTR {
    return hn::BitCast(du, hn::NearestInt(hn::Mul(load(from + i * stride), inverse)));
  };
  const auto low = hn::Set(du, 0xFFu), middle = hn::Set(du, 0x80808080u);
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4, codes += step) {
    const auto first = hn::Or(hn::And(code(i), low), hn::ShiftLeft<8>(hn::And(code(i + 1), low)));
    const auto second = hn::Or(hn::And(code(i + 2), low), hn::ShiftLeft<8>(code(i + 3)));
    const auto all = hn::Xor(hn::Or(first, hn::ShiftLeft<16>(second)), middle);
    hn::StoreU(all, du, reinterpret_cast<uint32_t*>(codes));
  }
  if (i == rows) return;
  auto all = middle;
  for (int64_t j = 0; i + j < rows; ++j) {
    auto one = hn::And(code(i + j), low);
    for (int64_t shift = 0; shift < j; ++shift) one = hn::ShiftLeft<8>(one);
    all = hn::Xor(all, one);
  }
  hn::StoreU(all, du, reinterpret_cast<uint32_t*>(codes));
}

void round_all_columns(const float* from, int64_t rows, int64_t cols, int64_t stride,
                       uint8_t* codes, int64_t step, float* scales) {
  for (int64_t j = 0; j < cols; j += lanes())
    round_some_columns(from + j, rows, stride, codes + 4 * j, step, scales + j);
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace falconer::cpu {
namespace {

HWY_EXPORT(round_one_group);
HWY_EXPORT(round_all_columns);

}  // namespace

float round_group(const float* from, int64_t count, int8_t* codes) {
  return HWY_DYNAMIC_DISPATCH(round_one_group)(from, count, codes);
}

void round_columns(const float* from, int64_t rows, int64_t cols, int64_t stride, uint8_t* codes,
                   int64_t step, float* scales) {
  HWY_DYNAMIC_DISPATCH(round_all_columns)(from, rows, cols, stride, codes, step, scales);
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
