#include "tensor/view.h"

#include <cstring>

#include "base/threads.h"

namespace falconer {
namespace {

template <class From, class To>
void convert_rows(const View& from, const View& to, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const From* x = from.row<From>(i);
    To* y = to.row<To>(i);
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(y, x, static_cast<size_t>(from.cols) * sizeof(To));
    } else {
      for (int64_t j = 0; j < from.cols; ++j) y[j] = To(static_cast<float>(x[j]));
    }
  }
}

template <class From>
void convert_to(const View& from, const View& to, int64_t begin, int64_t end) {
  switch (to.dtype) {
    case Dtype::kF32:
      return convert_rows<From, float>(from, to, begin, end);
    case Dtype::kBF16:
      return convert_rows<From, BF16>(from, to, begin, end);
    case Dtype::kF16:
      return convert_rows<From, F16>(from, to, begin, end);
    case Dtype::kF64:
      return convert_rows<From, double>(from, to, begin, end);
    default:
      FALCONER_CHECK(!"a dtype without conversion");
  }
}

}  // namespace

void copy_converted(const View& from, const View& to) {
  FALCONER_CHECK(same_shape(from, to));
  const int64_t grain = 1 + (1 << 16) / std::max<int64_t>(1, from.cols);
  parallel_for(from.rows, grain, [&](int64_t begin, int64_t end) {
    switch (from.dtype) {
      case Dtype::kF32:
        return convert_to<float>(from, to, begin, end);
      case Dtype::kBF16:
        return convert_to<BF16>(from, to, begin, end);
      case Dtype::kF16:
        return convert_to<F16>(from, to, begin, end);
      case Dtype::kF64:
        return convert_to<double>(from, to, begin, end);
      default:
        FALCONER_CHECK(!"a dtype without conversion");
    }
  });
}

}  // namespace falconer
