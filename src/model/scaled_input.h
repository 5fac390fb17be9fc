// Factors that a family puts on what a mixer reads and gives (Falcon-H1's multipliers).
#pragma once

#include "ops/residual.h"
#include "ops/scale.h"

namespace falconer {

/// x *= factor, where that is not 1 and there is an x.
inline void scale_by(Run& run, const View& x, double factor) {
  if (x && factor != 1) scale(run, {.x = x, .factor = static_cast<float>(factor)});
}

/// n itself, or a copy of it times `factor`.
inline View scaled_input(Run& run, const View& n, double factor, bool keep) {
  if (factor == 1) return n;
  const View made = run.push(keep, n.rows, n.cols);
  copy(run, n, made);
  scale_by(run, made, factor);
  return made;
}

/// dy itself, or a copy of it times `factor`: of what was given times that.
inline View scaled_gradient(Run& run, const View& dy, double factor) {
  if (factor == 1) return dy;
  const View made = run.scratch->push(dy.rows, dy.cols, dy.dtype);
  copy(run, dy, made);
  scale_by(run, made, factor);
  return made;
}

/// The gradient of what scaled_input() read. backward(to, add) gives that of what it made, to an empty view where dn is
/// one: nobody wants it.
template <class Backward>
void scaled_backward(Run& run, double factor, const View& dn, bool add_dn,
                     const Backward& backward) {
  if (factor == 1 || !dn) return backward(dn, add_dn);
  const ArenaScope scope(*run.scratch);
  const View to = add_dn ? run.scratch->push(dn.rows, dn.cols, dn.dtype) : dn;
  backward(to, false);
  scale_by(run, to, factor);
  if (add_dn) residual(run, {.x = dn, .a = to, .y = dn});
}

}  // namespace falconer
