// The product of a linear layer, y = x W' + b, and its gradients.
#pragma once

#include "ops/run.h"

namespace falconer {

// With s = scale:
//   y_nm = s sum_k x_nk W_mk + b_m            so, for dy = dL/dy:
//   dx_nk = s sum_m dy_nm W_mk      dW_mk = s sum_n dy_nm x_nk      db_m = sum_n dy_nm
//
// x (N,K)  W (M,K)  b (1,M) f32  y (N,M). x is of the activation's dtype. W is too, or it is bf16
// or f16 where x is f32 (a frozen matrix of such a checkpoint stays as it is mapped), which changes
// no result; or it is in blocks (tensor/blocks), and each device says to what it rounds their numbers; where
// x is bf16 and W f32 (a trainable matrix in a bf16 run) W is narrowed first. y may be f32 where x is bf16.

struct LinearForward {
  View x, w, b, y;
  float scale = 1;
  bool add = false;  // y += instead of y =
  // w once more, as products in whole numbers read it (Kernels::pack_lanes): x is then rounded to 8 bits. Empty: w is
  // read.
  View lanes;
  bool as_many =
      false;  // each row as if it were one of many (Run::as_many); set by linear_forward()
  // x and W are rounded to 8 bits in groups of 256 of k, and whole numbers are multiplied, where the device has such
  // products; `room` is then theirs to work in, and linear_forward() gives it. It also gives room to products of f32
  // that turn x (Kernels::turned_bytes).
  bool whole = false;
  View room = {};
};

/// Keeps x where dw is wanted. dx overwrites unless add_dx; dw and db (f32) add. An empty output is
/// not computed.
struct LinearBackward {
  View x, w, dy, dx, dw, db;
  float scale = 1;
  bool add_dx = false;
  bool whole = false;  // dx: as in LinearForward, of dy and W, in groups of 256 of m
  View room = {};
};

void linear_forward(Run& run, const LinearForward& args);
void linear_backward(Run& run, const LinearBackward& args);

}  // namespace falconer
