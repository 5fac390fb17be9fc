// What every writer of named tensors has in common: tensors are declared first, then their values
// come in that order, in as many bands of rows as the caller likes, and are converted piece by piece.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensor/buffer.h"

namespace falconer {

/// What an error in each column counts; null: the same in all.
using ColumnWeights = std::shared_ptr<const std::vector<float>>;

/// What will be written; the order of declaration is the order of writing.
struct TensorSpec {
  std::string name;
  Dtype dtype = Dtype::kF32;  // GGUF's alone may be in blocks
  std::vector<int64_t> shape;
  ColumnWeights importances = {};  // where it is in blocks
};

/// Bytes that the tensor has in a file.
size_t byte_count(const TensorSpec& spec);

/// Streams tensors into a file (or files) with memory for a piece of a tensor. All specs are
/// declared first, then write() is called with the values of each, in that order, then commit().
/// What is written appears whole on commit, not before.
class TensorWriter {
 public:
  virtual ~TensorWriter() = default;
  TensorWriter(const TensorWriter&) = delete;
  TensorWriter& operator=(const TensorWriter&) = delete;

  /// The next tensor in declared order, or the next rows of the one that is not complete yet. Any
  /// dtype that copy_converted() takes is converted to the spec's, rounding to nearest even; blocks of the spec's format
  /// stay as they are. Non-contiguous views are fine. NaN and infinity are written as they are, but not into blocks: an
  /// error, as a finite value is that f16, bf16 or a block's scale cannot hold.
  void write(const View& values);
  /// Syncs, puts in place. Every tensor must have come.
  void commit();

 protected:
  explicit TensorWriter(std::vector<TensorSpec> specs);
  TensorWriter(TensorWriter&&) = default;

  const std::vector<TensorSpec>& specs() const { return specs_; }
  /// Around the bytes of tensor `index`.
  virtual void begin(size_t index) = 0;
  virtual void put(const void* data, size_t size) = 0;
  virtual void end(size_t index) = 0;
  virtual void finish() = 0;

 private:
  void write_pieces(const View& values);
  void put_piece(const View& values, int64_t col);

  std::vector<TensorSpec> specs_;
  size_t next_ = 0;     // the tensor whose turn it is
  size_t written_ = 0;  // bytes of it that came
  Buffer piece_, blocks_;
};

}  // namespace falconer
