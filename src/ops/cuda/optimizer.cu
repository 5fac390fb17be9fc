// One step of an optimizer on one tensor.
#include "ops/cuda/launchers.h"
#include "ops/moment_code.h"
#include "ops/scalar/optimizer.h"

namespace falconer::FALCONER_GPU {
namespace {

/// N weights from element c on; bf16 rounded stochastically.
template <int N, class W>
__device__ void store_rounded(W* w, int64_t c, float (&x)[N], const RandomStream& rounding) {
  if constexpr (std::is_same_v<W, BF16>) {
    static_assert(N == 1 || N == 8);
    const PhiloxBlock words = rounding.block(static_cast<uint64_t>(c / 8));
    for (int i = 0; i < N; ++i) {
      const int n = static_cast<int>(c % 8) + i;
      x[i] = round_stochastic(x[i], words[n / 2] >> (16 * (n % 2)));
    }
  }
  store<N>(w + c, x);
}

/// m, v and w after the step.
__device__ inline void adamw_element(const scalar::AdamWConstants& k, float g, float& w, float& m,
                                     float& v) {
  const float gradient = g * k.grad_scale;
  m += k.one_minus_beta1 * (gradient - m);
  v = k.beta2 * v + k.one_minus_beta2 * gradient * gradient;
  w = w * k.decay - k.step_size * m / (sqrtf(v) / k.root + k.eps);
}

template <class W>
struct AdamWEach {
  W* w;
  float *m, *v;
  const float* g;
  scalar::AdamWConstants k;
  RandomStream rounding;
  template <int N>
  __device__ void run(int64_t, int64_t c) const {
    float wx[N], gx[N], mx[N], vx[N];
    load<N>(w + c, wx);
    load<N>(g + c, gx);
    load<N>(m + c, mx);
    load<N>(v + c, vx);
    for (int i = 0; i < N; ++i) adamw_element(k, gx[i], wx[i], mx[i], vx[i]);
    store_rounded<N>(w, c, wx, rounding);
    store<N>(m + c, mx);
    store<N>(v + c, vx);
  }
};

template <class W>
struct SgdEach {
  W* w;
  const float* g;
  float lr, decay, grad_scale;
  RandomStream rounding;
  template <int N>
  __device__ void run(int64_t, int64_t c) const {
    float wx[N], gx[N];
    load<N>(w + c, wx);
    load<N>(g + c, gx);
    for (int i = 0; i < N; ++i) wx[i] -= lr * (gx[i] * grad_scale + decay * wx[i]);
    store_rounded<N>(w, c, wx, rounding);
  }
};

/// Both codes, in shared memory: threads look up different places of them.
struct MomentCodes {
  MomentCode first, second;
};
constexpr MomentCodes kCodes{kFirstMomentCode, kSecondMomentCode};

struct CodedMoments {
  uint8_t *m, *v;
  float *m_scale, *v_scale;
};

/// A block of threads for each block of moments, a thread for each number.
template <class W>
__global__ void adamw_coded_kernel(W* w, const float* g, CodedMoments moments, int64_t size,
                                   const MomentCodes* from, scalar::AdamWConstants k,
                                   RandomStream rounding) {
  MomentCodes& codes = *reinterpret_cast<MomentCodes*>(shared_memory());
  float* room = reinterpret_cast<float*>(&codes + 1);
  constexpr int kWords = sizeof(MomentCodes) / sizeof(uint32_t);
  for (int i = static_cast<int>(threadIdx.x); i < kWords; i += static_cast<int>(blockDim.x))
    reinterpret_cast<uint32_t*>(&codes)[i] = reinterpret_cast<const uint32_t*>(from)[i];
  __syncthreads();
  const int64_t blocks = moment_blocks(size);
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    const int64_t i = block * kMomentBlock + threadIdx.x;
    const bool mine = i < size;
    float m = 0, v = 0;
    if (mine) {
      m = codes.first.value[moments.m[i]] * moments.m_scale[block];
      v = codes.second.value[moments.v[i]] * moments.v_scale[block];
      float x[1] = {float(w[i])};
      adamw_element(k, g[i], x[0], m, v);
      store_rounded<1>(w, i, x, rounding);
    }
    const float most_m = block_max(fabsf(m), room), most_v = block_max(v, room);
    if (mine) {
      moments.m[i] = nearest_code(codes.first, most_m > 0 ? m / most_m : 0.0f);
      moments.v[i] = second_moment_code(codes.second, most_v > 0 ? v / most_v : 0.0f);
    }
    // Behind the barriers of block_max: all have read the old ones.
    if (threadIdx.x == 0) {
      moments.m_scale[block] = most_m;
      moments.v_scale[block] = most_v;
    }
  }
}

template <class W>
void adamw_coded(const AdamW& a) {
  Device* const device = a.w.device;
  const int64_t blocks = moment_blocks(a.w.size());
  const auto* codes = static_cast<const MomentCodes*>(device->staged(&kCodes, sizeof kCodes));
  launch(device, adamw_coded_kernel<W>,
         {.x = std::min<int64_t>(blocks, int64_t{16} * device->processors()),
          .threads = static_cast<int>(kMomentBlock),
          .shared = sizeof(MomentCodes) + kMomentBlock / kWarp * sizeof(float)},
         on_gpu<W>(a.w).data, on_gpu<const float>(a.g).data,
         CodedMoments{on_gpu<uint8_t>(a.m).data, on_gpu<uint8_t>(a.v).data,
                      on_gpu<float>(a.m_scale).data, on_gpu<float>(a.v_scale).data},
         a.w.size(), codes, scalar::AdamWConstants(a), a.rounding);
}

/// All elements as one row: the op has seen that they lie end to end.
View flat(const View& v) { return v.reshape(1, v.size()); }

}  // namespace

void adamw(const AdamW& a) {
  with_type(a.w.dtype, [&]<class W>(Type<W>) {
    if (a.m.dtype == Dtype::kU8) return adamw_coded<W>(a);
    each(a.w.device, 1, a.w.size(), packs(a.w.size(), {flat(a.w), flat(a.g), flat(a.m), flat(a.v)}),
         AdamWEach<W>{on_gpu<W>(a.w).data, on_gpu<float>(a.m).data, on_gpu<float>(a.v).data,
                      on_gpu<const float>(a.g).data, scalar::AdamWConstants(a), a.rounding});
  });
}

void sgd(const Sgd& a) {
  with_type(a.w.dtype, [&]<class W>(Type<W>) {
    each(a.w.device, 1, a.w.size(), packs(a.w.size(), {flat(a.w), flat(a.g)}),
         SgdEach<W>{on_gpu<W>(a.w).data, on_gpu<const float>(a.g).data, static_cast<float>(a.lr),
                    static_cast<float>(a.weight_decay), static_cast<float>(a.grad_scale),
                    a.rounding});
  });
}

}  // namespace falconer::FALCONER_GPU
