// The scalar table: dtypes resolved, work split over threads, one call of the readable definition
// each.
#include <cstring>

#include "base/threads.h"
#include "ops/kernels.h"
#include "ops/scalar/attention.h"
#include "ops/scalar/elementwise.h"
#include "ops/scalar/embedding.h"
#include "ops/scalar/linear.h"
#include "ops/scalar/loss.h"
#include "ops/scalar/optimizer.h"
#include "ops/scalar/passes.h"
#include "ops/scalar/plain.h"
#include "ops/scalar/prefix_attention.h"
#include "ops/scalar/recurrences.h"
#include "ops/scalar/rope.h"
#include "ops/with_type.h"

namespace falconer {
namespace {

using scalar::for_rows;

void set_zero_kernel(const View& x) {
  for_rows(x.rows, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::memset(x.at(i), 0, bytes_of(x.dtype, x.cols));
  });
}

void linear_forward_kernel(const LinearForward& a) {
  const scalar::Plain w(a.w);
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    with_weight_type(w.view().dtype, [&]<class W>(Type<W>) {
      with_type(a.y.dtype, [&]<class Y>(Type<Y>) {
        for_rows(a.y.rows, [&](int64_t begin, int64_t end) {
          scalar::linear_forward<A, W, Y>(a.x.as<const A>(), w.view().as<const W>(),
                                          a.b.as<const float>(), a.y.as<Y>(), a.scale, a.add, begin,
                                          end);
        });
      });
    });
  });
}

void linear_backward_x_kernel(const LinearBackward& a) {
  const scalar::Plain w(a.w);
  with_type(a.dy.dtype, [&]<class A>(Type<A>) {
    with_weight_type(w.view().dtype, [&]<class W>(Type<W>) {
      for_rows(a.dx.rows, [&](int64_t begin, int64_t end) {
        scalar::linear_backward_x<A, W>(a.dy.as<const A>(), w.view().as<const W>(), a.dx.as<A>(),
                                        a.scale, a.add_dx, begin, end);
      });
    });
  });
}

void linear_backward_w_kernel(const LinearBackward& a) {
  with_type(a.dy.dtype, [&]<class A>(Type<A>) {
    for_rows(a.dw.rows, [&](int64_t begin, int64_t end) {
      scalar::linear_backward_w<A>(a.x.as<const A>(), a.dy.as<const A>(), a.dw.as<float>(), a.scale,
                                   begin, end);
    });
  });
}

void linear_backward_b_kernel(const LinearBackward& a) {
  with_type(a.dy.dtype, [&]<class A>(Type<A>) {
    for_rows(a.db.size(), [&](int64_t begin, int64_t end) {
      scalar::linear_backward_b<A>(a.dy.as<const A>(), a.db.as<float>(), begin, end);
    });
  });
}

void embedding_forward_kernel(const EmbeddingForward& a) {
  if (is_blocks(a.w.dtype))
    return for_rows(a.y.rows, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        copy_converted(a.w.row_range(a.ids.row<int32_t>(0)[i], 1), a.y.row_range(i, 1));
    });
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    with_weight_type(a.w.dtype, [&]<class W>(Type<W>) {
      for_rows(a.y.rows, [&](int64_t begin, int64_t end) {
        scalar::embedding_forward<W, A>(a.ids.row<int32_t>(0), a.w.as<const W>(), a.y.as<A>(),
                                        begin, end);
      });
    });
  });
}

void embedding_backward_kernel(const EmbeddingBackward& a) {
  with_type(a.dy.dtype, [&]<class A>(Type<A>) {
    for_rows(a.dw.cols, [&](int64_t begin, int64_t end) {
      scalar::embedding_backward<A>(a.ids.row<int32_t>(0), a.dy.as<const A>(), a.dw.as<float>(),
                                    begin, end);
    });
  });
}

void gather_forward_kernel(const GatherForward& a) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    for_rows(a.y.rows, [&](int64_t begin, int64_t end) {
      scalar::gather_forward<A>(a.x.as<const A>(), a.index.row<int32_t>(0), a.y.as<A>(), begin,
                                end);
    });
  });
}

void gather_backward_kernel(const GatherBackward& a) {
  with_type(a.dx.dtype, [&]<class A>(Type<A>) {
    scalar::gather_backward<A>(a.dy.as<const A>(), a.index.row<int32_t>(0), a.dx.as<A>());
  });
}

void rope_kernel(const Rope& a) {
  with_type(a.x.rows.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.rows.rows, [&](int64_t begin, int64_t end) {
      scalar::rope<A>(as_heads<A>(a.x), a.positions.row<int32_t>(0), a.table.as<const float>(),
                      a.inverse, begin, end, a.interleaved);
    });
  });
}

void attention_forward_kernel(const AttentionForward& a) {
  with_type(a.out.dtype, [&]<class A>(Type<A>) {
    for_rows(a.q.count(), [&](int64_t begin, int64_t end) {
      scalar::attention_forward<A>(as_heads<const A>(a.q), as_heads<const A>(a.k),
                                   as_heads<const A>(a.v), a.alibi.as<const float>(), a.out.as<A>(),
                                   a.lse.as<float>(), a.spans, a.scale, begin, end,
                                   {a.window, a.cap, a.pages.data()});
    });
  });
}

void attention_delta_kernel(const AttentionDelta& a) {
  with_type(a.out.dtype, [&]<class A>(Type<A>) {
    for_rows(a.out.rows, [&](int64_t begin, int64_t end) {
      scalar::attention_delta<A>(a.out.as<const A>(), a.dout.as<const A>(), a.delta.as<float>(),
                                 a.heads, begin, end);
    });
  });
}

void attention_backward_kernel(const AttentionBackward& a) {
  with_type(a.dout.dtype, [&]<class A>(Type<A>) {
    const scalar::AttentionBackwardMats<A> mats{as_heads<const A>(a.q),
                                                as_heads<const A>(a.k),
                                                as_heads<const A>(a.v),
                                                a.alibi.as<const float>(),
                                                a.dout.as<const A>(),
                                                a.delta.as<const float>(),
                                                as_heads<A>(a.dq),
                                                as_heads<A>(a.dk),
                                                as_heads<A>(a.dv),
                                                a.spans,
                                                a.scale,
                                                a.add_dq,
                                                {a.window, a.cap}};
    const int64_t spans = static_cast<int64_t>(a.spans.size());
    for_rows(spans * a.q.groups, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        scalar::attention_backward_group<A>(mats, a.spans[i / a.q.groups], i % a.q.groups);
    });
  });
}

void cache_store_kernel(const CacheStore& a) {
  with_type(a.cache.dtype, [&]<class A>(Type<A>) {
    for_rows(a.from.rows.rows, [&](int64_t begin, int64_t end) {
      scalar::cache_store<A>(as_heads<const A>(a.from), a.index.row<int32_t>(0), a.cache.as<A>(),
                             begin, end);
    });
  });
}

void prefix_forward_kernel(const PrefixAttentionForward& a) {
  with_type(a.out.dtype, [&]<class A>(Type<A>) {
    for_rows(a.out.rows, [&](int64_t begin, int64_t end) {
      scalar::prefix_attention_forward<A>(as_heads<const A>(a.q), as_heads<const A>(a.k),
                                          as_heads<const A>(a.v), a.gate.as<const float>(),
                                          a.out.as<A>(), a.scale, begin, end, a.cap);
    });
  });
}

void prefix_backward_kernel(const PrefixAttentionBackward& a) {
  with_type(a.dout.dtype, [&]<class A>(Type<A>) {
    const scalar::PrefixBackwardMats<A> mats{as_heads<const A>(a.q),
                                             as_heads<const A>(a.k),
                                             as_heads<const A>(a.v),
                                             a.gate.as<const float>(),
                                             a.dout.as<const A>(),
                                             a.delta.as<float>(),
                                             as_heads<A>(a.dq),
                                             as_heads<A>(a.dk),
                                             as_heads<A>(a.dv),
                                             a.dgate.as<float>(),
                                             a.scale,
                                             a.cap};
    for_rows(a.q.groups, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) scalar::prefix_attention_backward_group<A>(mats, g);
    });
  });
}

void dropout_kernel(const Dropout& a) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    for_rows(a.y.rows, [&](int64_t begin, int64_t end) {
      scalar::dropout<A>(a.x.as<const A>(), a.y.as<A>(), a.p, a.stream, a.first, a.add, begin, end);
    });
  });
}

void cross_entropy_kernel(const CrossEntropy& a) {
  with_type(a.dlogits ? a.dlogits.dtype : Dtype::kF32, [&]<class D>(Type<D>) {
    for_rows(a.logits.rows, [&](int64_t begin, int64_t end) {
      scalar::cross_entropy<float, D>(a.logits.as<const float>(), a.targets.row<int32_t>(0),
                                      a.losses.as<float>(), a.dlogits.as<D>(), a.scale, begin, end);
    });
  });
}

/// work(begin, end) on elements; pieces begin where blocks of moments do.
template <class F>
void for_blocks(int64_t size, F&& work) {
  parallel_for(moment_blocks(size), 64, [&](int64_t begin, int64_t end) {
    work(begin * kMomentBlock, std::min(size, end * kMomentBlock));
  });
}

void adamw_kernel(const AdamW& a) {
  with_type(a.w.dtype, [&]<class W>(Type<W>) {
    for_blocks(a.w.size(), [&](int64_t begin, int64_t end) { scalar::adamw<W>(a, begin, end); });
  });
}

void sgd_kernel(const Sgd& a) {
  with_type(a.w.dtype, [&]<class W>(Type<W>) {
    for_blocks(a.w.size(), [&](int64_t begin, int64_t end) { scalar::sgd<W>(a, begin, end); });
  });
}

// One sum per row, added in the order of rows: the same at any thread count.
double sum_of_squares_kernel(const View& x) {
  std::vector<double> sums(static_cast<size_t>(x.rows));
  with_type(x.dtype, [&]<class A>(Type<A>) {
    for_rows(x.rows, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t j = 0; j < x.cols; ++j) {
          const double value = static_cast<float>(x.row<A>(i)[j]);
          sums[i] += value * value;
        }
    });
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

void row_squares_kernel(const RowSquares& a) {
  const scalar::Plain w(a.w);
  with_weight_type(w.view().dtype, [&]<class W>(Type<W>) {
    for_rows(a.w.rows, [&](int64_t begin, int64_t end) {
      scalar::row_squares<W, float>(w.view().as<const W>(), a.out.as<float>(), begin, end);
    });
  });
}

void divide_kernel(const Divide& a) {
  for (int64_t i = 0; i < a.out.size(); ++i) {
    float& out = a.out.row<float>(0)[i];
    const float quotient = a.a.row<float>(0)[i] / a.b.row<float>(0)[i];
    out = a.add ? out + quotient : quotient;
  }
}

void fill_normal_kernel(const NormalFill& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    for_rows(a.x.rows, [&](int64_t begin, int64_t end) {
      scalar::fill_normal<A>(a.x.as<A>(), a.stream, static_cast<float>(a.std), begin, end);
    });
  });
}

void dora_norms_kernel(const DoraNorms& a) {
  for_rows(a.norms.size(), [&](int64_t begin, int64_t end) {
    scalar::dora_norms<float>(a.w_squares.as<const float>(), a.u.as<const float>(),
                              a.gram.as<const float>(), a.b.as<const float>(), a.norms.as<float>(),
                              a.scale, begin, end);
  });
}

}  // namespace

const Kernels& scalar_kernels() {
  static const Kernels table = {
      .name = "scalar",
      .convert = copy_converted,
      .set_zero = set_zero_kernel,
      .linear_forward = linear_forward_kernel,
      .linear_backward_x = linear_backward_x_kernel,
      .linear_backward_w = linear_backward_w_kernel,
      .linear_backward_b = linear_backward_b_kernel,
      .embedding_forward = embedding_forward_kernel,
      .embedding_backward = embedding_backward_kernel,
      .gather_forward = gather_forward_kernel,
      .gather_backward = gather_backward_kernel,
      .norm_forward = scalar::norm_forward_kernel,
      .norm_backward_x = scalar::norm_backward_x_kernel,
      .norm_backward_w = scalar::norm_backward_w_kernel,
      .rms_norm_forward = scalar::rms_norm_forward_kernel,
      .rms_norm_backward_x = scalar::rms_norm_backward_x_kernel,
      .rms_norm_backward_w = scalar::rms_norm_backward_w_kernel,
      .rope = rope_kernel,
      .attention_forward = attention_forward_kernel,
      .attention_delta = attention_delta_kernel,
      .attention_backward = attention_backward_kernel,
      .cache_store = cache_store_kernel,
      .prefix_attention_forward = prefix_forward_kernel,
      .prefix_attention_backward = prefix_backward_kernel,
      .conv1d_forward = scalar::conv1d_forward_kernel,
      .conv1d_backward = scalar::conv1d_backward_kernel,
      .scan_forward = scalar::scan_forward_kernel,
      .scan_backward = scalar::scan_backward_kernel,
      .gelu_forward = scalar::gelu_forward_kernel,
      .gelu_backward = scalar::gelu_backward_kernel,
      .gated_forward = scalar::gated_forward_kernel,
      .gated_backward = scalar::gated_backward_kernel,
      .soft_cap_forward = scalar::soft_cap_forward_kernel,
      .soft_cap_backward = scalar::soft_cap_backward_kernel,
      .scale = scalar::scale_kernel,
      .residual = scalar::residual_kernel,
      .affine_forward = scalar::affine_forward_kernel,
      .affine_backward = scalar::affine_backward_kernel,
      .dropout = dropout_kernel,
      .cross_entropy = cross_entropy_kernel,
      .adamw = adamw_kernel,
      .sgd = sgd_kernel,
      .sum_of_squares = sum_of_squares_kernel,
      .row_squares = row_squares_kernel,
      .dora_norms = dora_norms_kernel,
      .divide = divide_kernel,
      .fill_normal = fill_normal_kernel,
      .lane_bytes = [](Dtype, int64_t, int64_t) { return int64_t{0}; },
      .pack_lanes = [](const View&, const View&) {},
      .whole_bytes = [](int64_t, int64_t) { return int64_t{0}; },
      .turned_bytes = [](int64_t, int64_t, int64_t) { return int64_t{0}; },
  };
  return table;
}

}  // namespace falconer
