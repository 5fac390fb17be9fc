// What the scalar definitions compute in: narrow formats are read as float, everything else as
// itself. Instantiated with float, double, BF16, and in tests with dual numbers.
#pragma once

#include <cmath>
#include <type_traits>

#include "ops/heads.h"
#include "tensor/dtype.h"

namespace falconer::scalar {

using std::erf;
using std::exp;
using std::log;
using std::log1p;
using std::sqrt;
using std::tanh;

template <class S>
struct ComputeType {
  using type = S;
};
template <>
struct ComputeType<BF16> {
  using type = float;
};
template <>
struct ComputeType<F16> {
  using type = float;
};
/// float for bf16, S for the rest.
template <class S>
using Real = typename ComputeType<std::remove_const_t<S>>::type;

}  // namespace falconer::scalar
