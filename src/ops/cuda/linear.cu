// The linear layer's products, each as one call of a product.
#include "ops/cuda/launchers.h"
#include "ops/cuda/product.h"

namespace falconer::FALCONER_GPU {
namespace {

template <class A>
struct BiasEach {
  Mat<A> y;
  Mat<const float> b;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N], w[N];
    load<N>(y.row(n) + c, v);
    load<N>(b.data + c, w);
    for (int i = 0; i < N; ++i) v[i] += w[i];
    store<N>(y.row(n) + c, v);
  }
};

void add_bias(const View& y, const View& b) {
  with_type(y.dtype, [&]<class A>(Type<A>) {
    each(y.device, y.rows, y.cols, packs(y.cols, {y, b}),
         BiasEach<A>{on_gpu<A>(y), on_gpu<const float>(b)});
  });
}

void product(const Product& p) {
  // The library adds a bias of c's dtype alone; ours are f32.
  const bool apart = p.bias && p.c.dtype != Dtype::kF32;
  Product call = p;
  if (apart) call.bias = {};
  if (!library_product(call)) return tile_product(p);
  if (apart) add_bias(p.c, p.bias);
}

}  // namespace

void linear_forward(const LinearForward& a) {
  if (a.x.rows <= kSmallRows) return small_product(a);
  product({.a = a.x,
           .b = a.w,
           .c = a.y,
           .bias = a.b,
           .b_transposed = true,
           .scale = a.scale,
           .add = a.add});
}

void linear_backward_x(const LinearBackward& a) {
  product({.a = a.dy, .b = a.w, .c = a.dx, .scale = a.scale, .add = a.add_dx});
}

void linear_backward_w(const LinearBackward& a) {
  product({.a = a.dy, .b = a.x, .c = a.dw, .a_transposed = true, .scale = a.scale, .add = true});
}

void linear_backward_b(const LinearBackward& a) { add_columns(a.dy, a.db); }

}  // namespace falconer::FALCONER_GPU
