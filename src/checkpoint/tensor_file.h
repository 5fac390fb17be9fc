// Named tensors in files, mapped and read-only: safetensors, PyTorch zip files, and folders of
// shards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/view.h"

namespace falconer {

struct ScalesApart;

/// Rows that lie one behind the other.
struct RowRange {
  int64_t begin = 0, count = 0;
};

/// What was made of every value before it was stored.
struct ValueForm {
  float added = 0;
  bool negative_exp = false;  // -e^x: a rate of decay, of its logarithm

  bool plain() const { return added == 0 && !negative_exp; }
  float stored(float value) const;
  float value(float stored) const;
};

/// A tensor as it lies in a file. `bytes` is contiguous, row-major, and lives as long as the
/// TensorFiles that gave it; it is the map itself wherever the file's layout allows.
struct StoredTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
  std::filesystem::path file;  // for error messages
  bool mapped = false;         // bytes lie in a mapped file, not in memory of their own
  /// Where its rows (a vector's elements) do not lie one behind the other: runs of them, in order. `bytes` is
  /// empty then.
  std::vector<std::span<const std::byte>> runs;
  ValueForm form;
  /// Of codes whose scales lie elsewhere in the file: `bytes` are the codes alone, and `dtype` is what they are read as.
  std::shared_ptr<const ScalesApart> apart = {};

  /// The bytes are the values, in order, or blocks of them.
  bool plain() const { return runs.empty() && form.plain() && apart == nullptr; }
  /// As rows x cols: a scalar is 1 x 1, [n] is 1 x n, [a, ..., z] is (a * ... ) x z. Read-only
  /// memory. Only of plain tensors.
  View view() const;
  /// The values of a tensor of any kind, in order, to a view of the shape of view() and any float
  /// dtype, or its blocks to one of `dtype`. Errors: a number that is read out of blocks is none, by a scale that is
  /// none; one is no -e^x where it should be. (Blocks that are copied as they are, or used where they lie, are not looked at: that would read all of a
  /// mapped file before it is needed.)
  void copy_to(const View& to) const;
  /// As copy_to, for `to.rows` rows from `first` on. A vector is a single row.
  void copy_rows_to(int64_t first, const View& to) const;
  int64_t rows() const;
  int64_t cols() const { return shape.empty() ? 1 : shape.back(); }
  int64_t size() const { return rows() * cols(); }
  size_t byte_count() const;
  /// Of a row, or of an element of a vector (0: its elements are in blocks).
  int64_t row_bytes() const;
  /// The format that its numbers were rounded to; none where they stand alone.
  std::optional<Dtype> blocks() const;
  /// Its pages of a mapped file need not stay in memory.
  void forget() const;
  /// "[65024, 4544]"
  std::string shape_text() const;
  /// Error: its numbers are none that weights are stored as, plain or in blocks.
  void check_float() const;
};

/// The product of `shape`; nothing where a size is negative or the product of those that are not 0
/// is beyond 2^48.
std::optional<int64_t> element_count(const std::vector<int64_t>& shape);

/// What one file holds.
struct FileContent {
  std::vector<StoredTensor> tensors;
  std::map<std::string, std::string> metadata;
  std::vector<std::shared_ptr<const void>> owners;  // maps and buffers that the bytes lie in
};

/// What a tensor is put together of: rows of another (a vector's elements), or all of it where `count` is 0.
struct TensorPiece {
  std::string tensor;
  RowRange rows;
};
struct AssembledTensor {
  std::string name;
  std::vector<TensorPiece> pieces;  // one behind the other
  ValueForm form = {};
  std::vector<int64_t> shape = {};  // where a file has the same numbers, in their order, in another
};

/// All tensors of a checkpoint, by name. Opening reads headers only.
class TensorFiles {
 public:
  /// A Hugging Face folder: model.safetensors, model.safetensors.index.json, pytorch_model.bin or
  /// pytorch_model.bin.index.json, the first that is there.
  /// Errors: none of them is there; a shard is missing, truncated or malformed; the index and the
  /// shards do not list the same tensors; a tensor is in two shards.
  static TensorFiles open_folder(const std::filesystem::path& folder);
  /// One file by what it begins with, whatever its name: safetensors, a PyTorch zip (.bin, .pth,
  /// .pt), or GGUF. Error: missing, of another kind, or malformed.
  static TensorFiles open_file(const std::filesystem::path& path);

  /// Sorted by name.
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }
  /// The same tensors under other names: each that `names` has. Two must not become one.
  void rename(const std::map<std::string, std::string>& names);
  /// Has these instead of what they are put together of; those of which no piece is there are left out, and
  /// what is no piece of any stays. Rows that lie one behind the other stay mapped. Errors: of one only some
  /// pieces are there, or they differ in dtype or width; a tensor has another number of rows than its pieces;
  /// two would have one name.
  void assemble(const std::vector<AssembledTensor>& wanted);
  /// Takes the place of the tensor of that name.
  void replace(StoredTensor tensor);
  /// Leaves a tensor out, if it is there.
  void erase(const std::string& name) { tensors_.erase(name); }
  /// Null where there is none of that name.
  const StoredTensor* find(std::string_view name) const;
  /// Text that came with the tensors (`__metadata__` of safetensors).
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// The files read, in order.
  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  static TensorFiles open_shards(const std::filesystem::path& index);
  void add_file(const std::filesystem::path& path);
  StoredTensor put_together(const AssembledTensor& wanted,
                            const std::map<std::string, int64_t>& rows) const;

  std::map<std::string, StoredTensor, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::filesystem::path> files_;
  std::vector<std::shared_ptr<const void>> owners_;
};

}  // namespace falconer
