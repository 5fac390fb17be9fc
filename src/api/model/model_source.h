// The tensors of a model that is to be written: a checkpoint's, with an adapter folded in where one
// is given. A few megabytes of a tensor at a time, or one whole where an adapter changes it.
#pragma once

#include <functional>

#include "checkpoint/tensor_writer.h"
#include "method/session.h"
#include "model/arch/other_names.h"

namespace falconer {

class ModelSource {
 public:
  /// Errors: whatever is wrong with the checkpoint or the adapter; one that cannot be folded.
  ModelSource(const std::string& checkpoint, const std::string& adapter);

  const std::string& checkpoint() const { return checkpoint_; }
  /// Of the model as it will be written.
  const ModelConfig& config() const { return config_; }
  /// Its tensors, in the order of writing, without values.
  const Weights& weights() const { return weights_; }
  /// What most numbers of the checkpoint's matrices are stored as, and each tensor: what --dtype auto
  /// keeps. f64 is written as f32, in which it is computed, and blocks as bf16, for what is no GGUF of
  /// them; say_narrowed() says so.
  Dtype dtype() const { return dtype_; }
  Dtype dtype_of(const Param& param) const;
  void say_narrowed() const;
  /// Null where no adapter was given.
  const Method* method() const { return session_ ? session_->method() : nullptr; }

  /// Calls `use` with the values of a tensor, rows in this order (empty: as they are), in bands, each with the row of
  /// the tensor that it begins with. A vector is one row, and its order is one of elements.
  using UseRows = std::function<void(const View& rows, int64_t first)>;
  void read(const Param& param, const std::vector<RowRange>& order, const UseRows& use) const;

 private:
  const StoredTensor* find(const Param& param) const;
  void read_stored(const StoredTensor& stored, const std::vector<RowRange>& order,
                   const UseRows& use) const;

  std::string checkpoint_;
  ModelConfig config_;
  TensorFiles files_;
  std::unique_ptr<Session> session_;  // the adapter, without weights
  Weights weights_;
  Dtype dtype_ = Dtype::kF32;
};

/// Rows of one of ours, in this order (empty: all, as they are).
struct ExportedPiece {
  const Param* source = nullptr;
  std::string name;  // ours; the embedding's values may go under the head's name too
  std::vector<RowRange> rows;
  std::vector<FoldedRows> folded = {};
  bool bias = false;

  /// What row `row` of ours (a vector's element) is multiplied by.
  float times(int64_t row) const;
};
/// A tensor of a file that is written: rows of ours, piece behind piece.
struct ExportedTensor {
  std::vector<ExportedPiece> pieces;
  TensorSpec spec;  // theirs
  ValueForm form = {};
  std::vector<float> values = {};  // where it is none of ours

  /// Param::vector()
  bool vector() const;
};
std::vector<TensorSpec> specs_of(const std::vector<ExportedTensor>& tensors);
/// All of a model as another format has them, as f32 until that is said. A tied head is the embedding once
/// more, or is left out.
std::vector<ExportedTensor> tensors_elsewhere(const ModelSource& source, OtherFormat format,
                                              bool tied_head);

/// Writes all of them, and commits. Errors: a number of one is NaN or infinity, in the checkpoint or
/// with the adapter folded in; its dtype cannot hold one (TensorWriter).
void write_tensors(const ModelSource& source, const std::vector<ExportedTensor>& tensors,
                   TensorWriter& writer);
/// What is made of rows of ours from row `first` of `piece` on, in f32: its factors first, then the tensor's form.
/// These rows themselves where nothing is made of them; `memory` holds the others.
View formed(const ExportedTensor& tensor, const ExportedPiece& piece, const View& rows,
            int64_t first, Tensor& memory);

}  // namespace falconer
