// One step of an optimizer on one tensor.
#include "ops/cuda/launchers.h"
#include "ops/scalar/optimizer.h"

namespace falconer::FALCONER_GPU {
namespace {

struct AdamWEach {
  float *w, *m, *v;
  const float* g;
  scalar::AdamWConstants k;
  template <int N>
  __device__ void run(int64_t, int64_t c) const {
    float wx[N], gx[N], mx[N], vx[N];
    load<N>(w + c, wx);
    load<N>(g + c, gx);
    load<N>(m + c, mx);
    load<N>(v + c, vx);
    for (int i = 0; i < N; ++i) {
      const float gradient = gx[i] * k.grad_scale;
      mx[i] += k.one_minus_beta1 * (gradient - mx[i]);
      vx[i] = k.beta2 * vx[i] + k.one_minus_beta2 * gradient * gradient;
      wx[i] = wx[i] * k.decay - k.step_size * mx[i] / (sqrtf(vx[i]) / k.root + k.eps);
    }
    store<N>(w + c, wx);
    store<N>(m + c, mx);
    store<N>(v + c, vx);
  }
};

struct SgdEach {
  float* w;
  const float* g;
  float lr, decay, grad_scale;
  template <int N>
  __device__ void run(int64_t, int64_t c) const {
    float wx[N], gx[N];
    load<N>(w + c, wx);
    load<N>(g + c, gx);
    for (int i = 0; i < N; ++i) wx[i] -= lr * (gx[i] * grad_scale + decay * wx[i]);
    store<N>(w + c, wx);
  }
};

/// All elements as one row: the op has seen that they lie end to end.
View flat(const View& v) { return v.reshape(1, v.size()); }

}  // namespace

void adamw(const AdamW& a) {
  each(a.w.device, 1, a.w.size(), packs(a.w.size(), {flat(a.w), flat(a.g), flat(a.m), flat(a.v)}),
       AdamWEach{on_gpu<float>(a.w).data, on_gpu<float>(a.m).data, on_gpu<float>(a.v).data,
                 on_gpu<const float>(a.g).data, scalar::AdamWConstants(a)});
}

void sgd(const Sgd& a) {
  each(a.w.device, 1, a.w.size(), packs(a.w.size(), {flat(a.w), flat(a.g)}),
       SgdEach{on_gpu<float>(a.w).data, on_gpu<const float>(a.g).data, static_cast<float>(a.lr),
               static_cast<float>(a.weight_decay), static_cast<float>(a.grad_scale)});
}

}  // namespace falconer::FALCONER_GPU
