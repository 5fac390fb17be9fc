#include "ops/scalar/recurrences.h"

#include "ops/scalar/conv1d.h"
#include "ops/scalar/passes.h"
#include "ops/scalar/scan.h"
#include "ops/with_type.h"

namespace falconer::scalar {
namespace {

template <class A, class Args>
ScanMats<A> mats_of(const Args& a) {
  return {a.x.template as<const A>(),
          a.dt.template as<const A>(),
          a.b.template as<const A>(),
          a.c.template as<const A>(),
          a.a_log.template as<const float>(),
          a.d.template as<const float>(),
          a.dt_bias.template as<const float>(),
          a.spans,
          a.groups};
}

}  // namespace

void conv1d_forward_kernel(const Conv1dForward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    const Conv1dMats<A> mats{a.x.as<const A>(), a.w.as<const float>(), a.b.as<const float>(),
                             a.tails.as<A>(), a.spans};
    for_rows(a.x.cols,
             [&](int64_t begin, int64_t end) { conv1d_forward<A>(mats, a.y.as<A>(), begin, end); });
  });
}

void conv1d_backward_kernel(const Conv1dBackward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    const Conv1dMats<A> mats{
        a.x.as<const A>(), a.w.as<const float>(), a.b.as<const float>(), {}, a.spans};
    for_rows(a.x.cols, [&](int64_t begin, int64_t end) {
      conv1d_backward<A>(mats, a.dy.as<const A>(), a.dx.as<A>(), a.dw.as<float>(), a.db.as<float>(),
                         begin, end);
    });
  });
}

void scan_forward_kernel(const ScanForward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    const ScanMats<A> mats = mats_of<A>(a);
    for_rows(mats.heads(), [&](int64_t begin, int64_t end) {
      scan_forward<A>(mats, a.y.as<A>(), a.states.as<float>(), a.entries.as<float>(), begin, end);
    });
  });
}

void scan_backward_kernel(const ScanBackward& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    const ScanGradients<A> to{a.dy.as<const A>(), a.dx.as<A>(),          a.ddt.as<A>(),
                              a.db.as<A>(),       a.dc.as<A>(),          a.da_log.as<float>(),
                              a.dd.as<float>(),   a.ddt_bias.as<float>()};
    for_rows(a.groups, [&](int64_t begin, int64_t end) {
      scan_backward<A>(mats_of<A>(a), to, a.entries.as<const float>(), begin, end);
    });
  });
}

}  // namespace falconer::scalar
