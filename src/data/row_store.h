// Rows of token ids, as many as there are: what does not fit in memory lies in a file without a
// name, and a row is read when it is asked for.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/scratch_file.h"
#include "data/dataset.h"

namespace falconer {

/// Two rows of one hash have the same ids, for all that matters.
uint64_t hash_of(std::span<const int32_t> ids);

class RowStore {
 public:
  /// What is more than `memory_bytes` goes to the disk of `scratch_folder`.
  explicit RowStore(std::filesystem::path scratch_folder, size_t memory_bytes = size_t{64} << 20);

  void add(const Row& row);
  /// What the lines of its rows are, see data/raw_rows.h.
  void set_counted_by(std::string_view what) { counted_by_ = what; }
  std::string_view counted_by() const { return counted_by_; }
  int64_t size() const { return static_cast<int64_t>(index_.size()); }
  /// A copy; safe from many threads once all are added.
  Row operator[](int64_t i) const;
  Row at(int64_t i) const;
  int64_t length(int64_t i) const { return index_[static_cast<size_t>(i)].length; }
  int64_t targets(int64_t i) const { return index_[static_cast<size_t>(i)].targets; }
  int64_t line(int64_t i) const { return index_[static_cast<size_t>(i)].line; }
  uint64_t hash(int64_t i) const { return index_[static_cast<size_t>(i)].hash; }

 private:
  /// Numbers of a row: how many spans are learned, their ends, the ids; or -1, the ids, the labels.
  struct Entry {
    uint64_t offset = 0;  // of its numbers, in numbers
    int64_t line = 0;
    uint64_t hash = 0;  // of the ids
    int32_t length = 0, targets = 0;
  };
  std::vector<int32_t> numbers_of(uint64_t offset, size_t count) const;
  void spill();

  std::filesystem::path scratch_folder_;
  size_t most_in_memory_;  // numbers
  std::vector<Entry> index_;
  std::vector<int32_t> recent_;  // numbers that are not in the file
  std::unique_ptr<ScratchFile> file_;
  uint64_t total_ = 0;
  std::string_view counted_by_ = "line";
};

struct Repeat {
  int64_t row = 0, first = 0;
};
/// Rows with the ids of an earlier one, in order, each with the first that has them.
std::vector<Repeat> repeats_in(const RowStore& rows);

/// Rows in an order, of a store or of a vector, which must outlive the view.
class RowView {
 public:
  RowView() = default;
  RowView(const std::vector<Row>& rows) : rows_(&rows) {}  // NOLINT: a vector is a view's twin
  RowView(std::vector<Row>&&) = delete;
  explicit RowView(const RowStore& store) : store_(&store) {}
  RowView(const RowStore& store, std::span<const int64_t> order)
      : store_(&store), order_(order), ordered_(true) {}

  int64_t size() const;
  bool empty() const { return size() == 0; }
  Row operator[](int64_t i) const;
  int64_t length(int64_t i) const;
  int64_t targets(int64_t i) const;
  int64_t line(int64_t i) const;
  std::string_view counted_by() const { return store_ != nullptr ? store_->counted_by() : "line"; }

 private:
  int64_t place(int64_t i) const { return ordered_ ? order_[static_cast<size_t>(i)] : i; }

  const std::vector<Row>* rows_ = nullptr;
  const RowStore* store_ = nullptr;
  std::span<const int64_t> order_;
  bool ordered_ = false;
};

/// A hash over the ids and labels of all rows, in order.
std::string fingerprint(const RowView& rows);

}  // namespace falconer
