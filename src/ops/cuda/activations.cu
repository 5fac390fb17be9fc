// Activations of MLPs, and the soft cap of logits.
#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {
namespace {

struct Activated {
  float value, slope;
};

/// a(z) and a'(z) of ops/gated.h.
__device__ inline Activated activated(Activation act, float z) {
  if (act == Activation::kSilu) {
    const float s = 1.0f / (1.0f + expf(-z));
    return {z * s, s * (1.0f + z * (1.0f - s))};
  }
  if (act == Activation::kGelu) {
    constexpr float kDensity = 0.39894228040143268f;  // 1 / sqrt(2 pi)
    const float twice = 1.0f + erff(z * 0.70710678118654752f);
    return {0.5f * z * twice, 0.5f * twice + z * kDensity * expf(-0.5f * z * z)};
  }
  constexpr float kRoot = 0.79788456080286536f, kCubic = 0.044715f;  // sqrt(2 / pi)
  const float t = tanhf(kRoot * (z + kCubic * z * z * z));
  const float du = kRoot * (1.0f + 3.0f * kCubic * z * z);
  return {0.5f * z * (1.0f + t), 0.5f * (1.0f + t) + 0.5f * z * (1.0f - t * t) * du};
}

Activation gelu_form(bool tanh) { return tanh ? Activation::kGeluTanh : Activation::kGelu; }

template <class A>
struct GeluEach {
  Mat<const A> x;
  Mat<A> y;
  Activation act;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N];
    load<N>(x.row(n) + c, v);
    for (int i = 0; i < N; ++i) v[i] = activated(act, v[i]).value;
    store<N>(y.row(n) + c, v);
  }
};

template <class A>
struct GeluBackEach {
  Mat<const A> x;
  Mat<A> d;
  Activation act;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N], g[N];
    load<N>(x.row(n) + c, v);
    load<N>(d.row(n) + c, g);
    for (int i = 0; i < N; ++i) g[i] *= activated(act, v[i]).slope;
    store<N>(d.row(n) + c, g);
  }
};

template <class A>
struct GatedEach {
  Mat<const A> gate, up;
  Mat<A> y;
  Activation act;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N], u[N];
    load<N>(gate.row(n) + c, v);
    load<N>(up.row(n) + c, u);
    for (int i = 0; i < N; ++i) v[i] = activated(act, v[i]).value * u[i];
    store<N>(y.row(n) + c, v);
  }
};

template <class A>
struct GatedBackEach {
  Mat<const A> gate, up, dy;
  Mat<A> dgate, dup;
  Activation act;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N], u[N], g[N];
    load<N>(gate.row(n) + c, v);
    load<N>(up.row(n) + c, u);
    load<N>(dy.row(n) + c, g);
    for (int i = 0; i < N; ++i) {
      const Activated here = activated(act, v[i]);
      u[i] = g[i] * u[i] * here.slope;
      v[i] = g[i] * here.value;
    }
    if (dgate) store<N>(dgate.row(n) + c, u);
    if (dup) store<N>(dup.row(n) + c, v);
  }
};

template <class A>
struct SoftCapEach {
  Mat<A> x;
  float cap;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N];
    load<N>(x.row(n) + c, v);
    for (int i = 0; i < N; ++i) v[i] = cap * tanhf(v[i] / cap);
    store<N>(x.row(n) + c, v);
  }
};

template <class A, class Y>
struct SoftCapBackEach {
  Mat<const Y> y;
  Mat<A> d;
  float cap;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N], g[N];
    load<N>(y.row(n) + c, v);
    load<N>(d.row(n) + c, g);
    for (int i = 0; i < N; ++i) {
      const float t = v[i] / cap;
      g[i] *= 1.0f - t * t;
    }
    store<N>(d.row(n) + c, g);
  }
};

}  // namespace

void gelu_forward(const GeluForward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    each(a.y.device, a.y.rows, a.y.cols, packs(a.y.cols, {a.x, a.y}),
         GeluEach<A>{on_gpu<const A>(a.x), on_gpu<A>(a.y), gelu_form(a.tanh)});
  });
}

void gelu_backward(const GeluBackward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    each(a.d.device, a.d.rows, a.d.cols, packs(a.d.cols, {a.x, a.d}),
         GeluBackEach<A>{on_gpu<const A>(a.x), on_gpu<A>(a.d), gelu_form(a.tanh)});
  });
}

void gated_forward(const GatedForward& a) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    each(a.y.device, a.y.rows, a.y.cols, packs(a.y.cols, {a.gate, a.up, a.y}),
         GatedEach<A>{on_gpu<const A>(a.gate), on_gpu<const A>(a.up), on_gpu<A>(a.y), a.act});
  });
}

void gated_backward(const GatedBackward& a) {
  with_type(a.dy.dtype, [&]<class A>(Type<A>) {
    each(a.dy.device, a.dy.rows, a.dy.cols, packs(a.dy.cols, {a.gate, a.up, a.dy, a.dgate, a.dup}),
         GatedBackEach<A>{on_gpu<const A>(a.gate), on_gpu<const A>(a.up), on_gpu<const A>(a.dy),
                          on_gpu<A>(a.dgate), on_gpu<A>(a.dup), a.act});
  });
}

void soft_cap_forward(const SoftCapForward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    each(a.x.device, a.x.rows, a.x.cols, packs(a.x.cols, {a.x}),
         SoftCapEach<A>{on_gpu<A>(a.x), a.cap});
  });
}

void soft_cap_backward(const SoftCapBackward& a) {
  with_type(a.d.dtype, [&]<class A>(Type<A>) {
    with_type(a.y.dtype, [&]<class Y>(Type<Y>) {
      each(a.d.device, a.d.rows, a.d.cols, packs(a.d.cols, {a.y, a.d}),
           SoftCapBackEach<A, Y>{on_gpu<const Y>(a.y), on_gpu<A>(a.d), a.cap});
    });
  });
}

}  // namespace falconer::FALCONER_GPU
