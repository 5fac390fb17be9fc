#include "ops/cpu/linear.h"

#include "ops/cpu/block_product.h"
#include "ops/cpu/lane_product.h"
#include "ops/cpu/narrow_product.h"
#include "ops/cpu/product.h"
#include "ops/cpu/small_product.h"
#include "ops/cpu/turned_product.h"
#include "ops/cpu/whole_product.h"

namespace falconer::cpu {

void linear_forward(const LinearForward& args) {
  if (args.lanes) return lane_product(args);
  if (args.room) {
    const auto made = args.whole ? whole_product : turned_product;
    return made({args.x}, {args.w, true}, args.y, args.scale, args.add, args.b, args.room);
  }
  if (args.as_many)
    return product_by_rows({args.x}, {args.w, true}, args.y, args.scale, args.add, args.b);
  if (args.x.rows <= kSmallRows)
    return is_blocks(args.w.dtype) ? small_block_product(args) : small_product(args);
  product({args.x}, {args.w, true}, args.y, args.scale, args.add, args.b);
}

void linear_backward_x(const LinearBackward& args) {
  if (args.room)
    return whole_product({args.dy}, {args.w}, args.dx, args.scale, args.add_dx, {}, args.room);
  if (makes_narrow(args)) return narrow_backward_x(args);
  product({args.dy}, {args.w}, args.dx, args.scale, args.add_dx);
}

void linear_backward_w(const LinearBackward& args) {
  if (is_narrow(args)) return narrow_backward_w(args);
  product({args.dy, true}, {args.x}, args.dw, args.scale, true);
}

}  // namespace falconer::cpu
