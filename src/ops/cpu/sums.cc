#include "ops/cpu/sums.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/sums.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// The sum of squares of n elements. An element that is not finite makes it so.
template <class A>
double squares(const A* x, int64_t n) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> half;
  const int64_t step = static_cast<int64_t>(hn::Lanes(d));
  auto first = hn::Zero(d), second = hn::Zero(d);
  for_vectors(n, [&](int64_t at, auto access) HWY_ATTR {
    float values[kMostLanes];  // a vector of f32 is two of f64 (one where vectors have one lane)
    store(access(x, at), values);
    const auto a = hn::PromoteTo(d, hn::LoadU(half, values));
    first = hn::MulAdd(a, a, first);
    if (step == lanes()) return;
    const auto b = hn::PromoteTo(d, hn::LoadU(half, values + step));
    second = hn::MulAdd(b, b, second);
  });
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(first, second)));
}

double squares_of(const View& x, int64_t row, int64_t begin, int64_t count) {
  double sum = 0;
  with_type(x.dtype, [&]<class A>(Type<A>) { sum = squares<A>(x.row<A>(row) + begin, count); });
  return sum;
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <vector>

#include "base/threads.h"

namespace falconer::cpu {

HWY_EXPORT(squares_of);

// Rows in pieces of one length, and the pieces' sums in their order: the same at any thread count.
double sum_of_squares(const View& x) {
  constexpr int64_t kPiece = 1 << 13;
  if (x.size() == 0) return 0;
  const int64_t per_row = (x.cols + kPiece - 1) / kPiece;
  std::vector<double> sums(static_cast<size_t>(x.rows * per_row));
  const int64_t grain = std::max<int64_t>(1, 2 * kPiece / std::min(kPiece, x.cols));
  parallel_for(x.rows * per_row, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % per_row * kPiece;
      sums[static_cast<size_t>(i)] =
          HWY_DYNAMIC_DISPATCH(squares_of)(x, i / per_row, first, std::min(kPiece, x.cols - first));
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

void row_squares(const RowSquares& args) {
  float* out = args.out.row<float>(0);
  parallel_for(args.w.rows, 16, [&](int64_t begin, int64_t end) {
    std::vector<float> wide;  // a row that is stored in f16 or in blocks
    for (int64_t m = begin; m < end; ++m) {
      View row = args.w.row_range(m, 1);
      if (row.dtype != Dtype::kF32 && row.dtype != Dtype::kBF16) {
        wide.resize(static_cast<size_t>(row.cols));
        const View numbers{wide.data(), 1, row.cols, row.cols, Dtype::kF32};
        copy_converted(row, numbers);
        row = numbers;
      }
      out[m] = static_cast<float>(HWY_DYNAMIC_DISPATCH(squares_of)(row, 0, 0, row.cols));
    }
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
