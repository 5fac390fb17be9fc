// What bounds an op on this machine: oneDNN's best for a product's shape, and reading memory.
#pragma once

#include <memory>

#include "ops/kernels.h"
#include "tensor/buffer.h"

namespace falconer::bench {

/// A product a (M,K) b (K,N) that oneDNN may lay out as it likes, both factors packed beforehand.
class BestProduct {
 public:
  BestProduct(int64_t m, int64_t n, int64_t k, Dtype dtype, bool f32_out = false);
  ~BestProduct();
  void run() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// Reads a buffer of so many bytes with all threads, as fast as the machine can.
class Reading {
 public:
  explicit Reading(double bytes);
  void run() const;

 private:
  Tensor buffer_;
};

/// Numbers in (-1, 1), always the same.
void fill(const View& view, uint32_t seed);
Tensor filled(int64_t rows, int64_t cols, Dtype dtype, uint32_t seed = 1);

}  // namespace falconer::bench
