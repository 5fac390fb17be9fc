// y = x W' for up to eight rows, as in decoding: each warp reads four rows of W once, 16 bytes a
// lane, and multiplies them with every row of x.
#include "ops/cuda/gpu.h"
#include "ops/cuda/product.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int kOutputs = 4;  // rows of W for each warp
constexpr int kWarps = 4;    // of a block

template <class A, class W, class Y>
struct SmallProduct {
  Mat<const A> x;
  Mat<const W> w;
  const float* bias;
  Mat<Y> y;
  float scale;
  bool add;
};

template <int kRows, int kWide, class A, class W, class Y>
__global__ void small_product_kernel(SmallProduct<A, W, Y> p) {
  const int64_t first = thread_number() / kWarp * kOutputs;
  if (first >= p.w.rows) return;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  // Past the end the last row is read again, and not written.
  const auto clamped = [](int64_t i, int64_t count) { return i < count ? i : count - 1; };
  float sums[kOutputs][kRows] = {};
  for (int64_t k = lane * kWide; k < p.w.cols; k += kWarp * kWide) {
    float w[kOutputs][kWide];
    for (int o = 0; o < kOutputs; ++o) load<kWide>(p.w.row(clamped(first + o, p.w.rows)) + k, w[o]);
    for (int r = 0; r < kRows; ++r) {
      float x[kWide];
      load<kWide>(p.x.row(clamped(r, p.x.rows)) + k, x);
      for (int o = 0; o < kOutputs; ++o)
        for (int i = 0; i < kWide; ++i) sums[o][r] += w[o][i] * x[i];
    }
  }
  for (int o = 0; o < kOutputs; ++o)
    for (int r = 0; r < kRows; ++r) {
      const float sum = warp_sum(sums[o][r]);
      const int64_t m = first + o;
      if (lane != 0 || m >= p.w.rows || r >= p.y.rows) continue;
      float out = p.scale * sum;
      if (p.bias != nullptr) out += p.bias[m];
      if (p.add) out += float(p.y(r, m));
      p.y(r, m) = Y(out);
    }
}

template <class A, class W, class Y>
void launch_small(const LinearForward& a) {
  const SmallProduct<A, W, Y> p{on_gpu<const A>(a.x),
                                on_gpu<const W>(a.w),
                                on_gpu<const float>(a.b).data,
                                on_gpu<Y>(a.y),
                                a.scale,
                                a.add};
  const bool wide = packs(a.x.cols, {a.x, a.w});
  const auto go = [&](auto* narrow_kernel, auto* wide_kernel) {
    launch(a.y.device, wide ? wide_kernel : narrow_kernel,
           {.x = blocks_of(a.w.rows, kOutputs * kWarps), .threads = kWarps * kWarp}, p);
  };
  if (a.x.rows <= 1)
    go(small_product_kernel<1, 1, A, W, Y>, small_product_kernel<1, kPack, A, W, Y>);
  else if (a.x.rows <= 2)
    go(small_product_kernel<2, 1, A, W, Y>, small_product_kernel<2, kPack, A, W, Y>);
  else if (a.x.rows <= 4)
    go(small_product_kernel<4, 1, A, W, Y>, small_product_kernel<4, kPack, A, W, Y>);
  else
    go(small_product_kernel<8, 1, A, W, Y>, small_product_kernel<8, kPack, A, W, Y>);
}

}  // namespace

void small_product(const LinearForward& a) {
  FALCONER_CHECK(a.x.rows <= kSmallRows && (!a.b || a.b.contiguous()));
  if (a.x.dtype == Dtype::kF32) {
    FALCONER_CHECK(a.y.dtype == Dtype::kF32);
    return a.w.dtype == Dtype::kF32 ? launch_small<float, float, float>(a)
                                    : launch_small<float, BF16, float>(a);
  }
  return a.y.dtype == Dtype::kF32 ? launch_small<BF16, BF16, float>(a)
                                  : launch_small<BF16, BF16, BF16>(a);
}

}  // namespace falconer::FALCONER_GPU
