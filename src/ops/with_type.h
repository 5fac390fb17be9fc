// From a dtype at run time to a C++ type, for kernels that are templates.
#pragma once

#include "base/error.h"
#include "tensor/dtype.h"

namespace falconer {

template <class T>
struct Type {
  using type = T;
};

/// Calls `work` with the C++ type of an activation's or a matrix's dtype.
template <class F>
void with_type(Dtype dtype, F&& work) {
  if (dtype == Dtype::kF32) return work(Type<float>{});
  FALCONER_CHECK(dtype == Dtype::kBF16);
  work(Type<BF16>{});
}

/// As with_type, for a matrix of weights, which may lie in its file as f16.
template <class F>
void with_weight_type(Dtype dtype, F&& work) {
  if (dtype == Dtype::kF16) return work(Type<F16>{});
  with_type(dtype, work);
}

}  // namespace falconer
