#include "ops/scalar/passes.h"

#include "ops/scalar/elementwise.h"
#include "ops/scalar/norm.h"
#include "ops/with_type.h"

namespace falconer::scalar {

void norm_forward_kernel(const NormForward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.rows, [&](int64_t begin, int64_t end) {
      norm_forward<A>(a.x.as<const A>(), a.w.as<const float>(), a.b.as<const float>(), a.y.as<A>(),
                      a.stats.as<float>(), a.eps, begin, end);
    });
  });
}

void norm_backward_x_kernel(const NormBackward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.rows, [&](int64_t begin, int64_t end) {
      norm_backward_x<A>(a.x.as<const A>(), a.w.as<const float>(), a.stats.as<const float>(),
                         a.dy.as<const A>(), a.dx_add.as<A>(), begin, end);
    });
  });
}

void norm_backward_w_kernel(const NormBackward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.cols, [&](int64_t begin, int64_t end) {
      norm_backward_w<A>(a.x.as<const A>(), a.stats.as<const float>(), a.dy.as<const A>(),
                         a.dw.as<float>(), a.db.as<float>(), begin, end);
    });
  });
}

void rms_norm_forward_kernel(const RmsNormForward& a) {
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.rows.rows, [&](int64_t begin, int64_t end) {
      rms_norm_forward<A>(as_heads<const A>(a.x), a.w.as<const float>(), as_heads<A>(a.y),
                          a.stats.as<float>(), a.eps, a.offset, begin, end);
    });
  });
}

void rms_norm_backward_x_kernel(const RmsNormBackward& a) {
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.rows.rows, [&](int64_t begin, int64_t end) {
      rms_norm_backward_x<A>(as_heads<const A>(a.x), a.w.as<const float>(),
                             a.stats.as<const float>(), as_heads<const A>(a.dy), as_heads<A>(a.dx),
                             a.offset, a.add_dx, begin, end);
    });
  });
}

void rms_norm_backward_w_kernel(const RmsNormBackward& a) {
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.size, [&](int64_t begin, int64_t end) {
      rms_norm_backward_w<A>(as_heads<const A>(a.x), a.stats.as<const float>(),
                             as_heads<const A>(a.dy), a.dw.as<float>(), begin, end);
    });
  });
}

void gelu_forward_kernel(const GeluForward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.rows, [&](int64_t begin, int64_t end) {
      gelu_forward<A>(a.x.as<const A>(), a.y.as<A>(), begin, end, a.tanh);
    });
  });
}

void gelu_backward_kernel(const GeluBackward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.rows, [&](int64_t begin, int64_t end) {
      gelu_backward<A>(a.x.as<const A>(), a.d.as<A>(), begin, end, a.tanh);
    });
  });
}

void gated_forward_kernel(const GatedForward& a) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    for_rows(a.y.rows, [&](int64_t begin, int64_t end) {
      gated_forward<A>(a.gate.as<const A>(), a.up.as<const A>(), a.y.as<A>(), a.act, begin, end);
    });
  });
}

void gated_backward_kernel(const GatedBackward& a) {
  with_type(a.dy.dtype, [&]<class A>(Type<A>) {
    for_rows(a.dy.rows, [&](int64_t begin, int64_t end) {
      gated_backward<A>(a.gate.as<const A>(), a.up.as<const A>(), a.dy.as<const A>(),
                        a.dgate.as<A>(), a.dup.as<A>(), a.act, begin, end);
    });
  });
}

void soft_cap_forward_kernel(const SoftCapForward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.rows, [&](int64_t begin, int64_t end) {
      soft_cap_forward<A>(a.x.as<A>(), a.cap, begin, end);
    });
  });
}

void soft_cap_backward_kernel(const SoftCapBackward& a) {
  with_type(a.d.dtype, [&]<class A>(Type<A>) {
    with_type(a.y.dtype, [&]<class Y>(Type<Y>) {
      for_rows(a.d.rows, [&](int64_t begin, int64_t end) {
        soft_cap_backward<A, Y>(a.y.as<const Y>(), a.d.as<A>(), a.cap, begin, end);
      });
    });
  });
}

void scale_kernel(const Scale& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.rows,
             [&](int64_t begin, int64_t end) { scale<A>(a.x.as<A>(), a.factor, begin, end); });
  });
}

void residual_kernel(const Residual& a) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    for_rows(a.y.rows, [&](int64_t begin, int64_t end) {
      residual<A>(a.x.as<const A>(), a.a.as<const A>(), a.b.as<const A>(), a.y.as<A>(), begin, end);
    });
  });
}

void affine_forward_kernel(const AffineForward& a) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    with_type(a.a ? a.a.dtype : a.y.dtype, [&]<class K>(Type<K>) {
      for_rows(a.y.rows, [&](int64_t begin, int64_t end) {
        affine_forward<A, K>(a.y.as<A>(), a.scale.as<const float>(), a.bias.as<const float>(),
                             a.about.as<const float>(), a.a.as<K>(), begin, end);
      });
    });
  });
}

void affine_backward_kernel(const AffineBackward& a) {
  with_type(a.d.dtype, [&]<class A>(Type<A>) {
    with_type(a.a ? a.a.dtype : a.d.dtype, [&]<class K>(Type<K>) {
      for_rows(a.d.cols, [&](int64_t begin, int64_t end) {
        affine_backward<A, K>(a.a.as<const K>(), a.scale.as<const float>(), a.d.as<A>(),
                              a.dscale.as<float>(), a.dbias.as<float>(), begin, end);
      });
    });
  });
}

}  // namespace falconer::scalar
