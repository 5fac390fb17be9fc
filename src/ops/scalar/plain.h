// Matrices in blocks, for kernels that read numbers.
#pragma once

#include "tensor/buffer.h"

namespace falconer::scalar {

/// A matrix as it is, or its numbers in f32 where it is in blocks.
class Plain {
 public:
  explicit Plain(const View& w) : view_(w) {
    if (!is_blocks(w.dtype)) return;
    numbers_ = Tensor(w.rows, w.cols, Dtype::kF32);
    copy_converted(w, numbers_.view());
    view_ = numbers_.view();
  }
  const View& view() const { return view_; }

 private:
  Tensor numbers_;
  View view_;
};

}  // namespace falconer::scalar
