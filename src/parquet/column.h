// A column of a row group, value by value, of which one page at a time is in memory.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "parquet/bits.h"
#include "parquet/metadata.h"
#include "parquet/schema.h"
#include "parquet/values.h"

namespace falconer::parquet {

/// How much memory pages and dictionaries of a file may take together.
class PageMemory {
 public:
  static constexpr size_t kMostOfPage = size_t{256} << 20, kMost = size_t{512} << 20;
  /// Error: too much.
  void take(size_t bytes);
  void give_back(size_t bytes) { used_ -= bytes; }

 private:
  size_t used_ = 0;
};

/// Bytes of a page that were unpacked.
class PageBuffer {
 public:
  explicit PageBuffer(PageMemory& memory) : memory_(&memory) {}
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;
  ~PageBuffer() { memory_->give_back(room_); }
  /// So many bytes, with any content; those before are gone.
  std::span<std::byte> resize(size_t bytes);

 private:
  PageMemory* memory_;
  std::unique_ptr<std::byte[]> bytes_;
  size_t room_ = 0;
};

/// Definition or repetition levels of a page.
class LevelReader {
 public:
  static constexpr int32_t kRuns = 3, kBits = 4;  // encodings
  LevelReader() = default;
  /// Runs of levels up to `most`, which is 0 where there are none.
  LevelReader(std::span<const std::byte> bytes, int most);
  /// Takes from `page` what its `values` levels of that encoding are stored in.
  static LevelReader of_page(std::span<const std::byte>& page, int32_t encoding, int32_t values,
                             int most);
  /// Error: it is above the most.
  int next();

 private:
  int most_ = 0, width_ = 0;
  bool by_bits_ = false;
  uint64_t bit_ = 0;
  std::span<const std::byte> bits_;
  RunReader runs_;
};

class ColumnReader {
 public:
  /// `file` is mapped, and pages that were read are forgotten; `leaf` and `memory` outlive it. Errors, of
  /// this and all others: what the file says cannot be, or is not read here.
  ColumnReader(std::span<const std::byte> file, const Leaf& leaf, const ColumnChunk& chunk,
               PageMemory& memory);
  ~ColumnReader();

  bool ended() const { return ended_; }
  /// Of the entry that it stands at; -1 behind the last.
  int repetition() const { return repetition_; }
  int definition() const { return definition_; }
  /// Its value, once: for entries with the column's highest definition level alone.
  Value value();
  void advance();

 private:
  void next_page();
  void read_dictionary(const PageHeader& header, std::span<const std::byte> packed);
  void read_data(const PageHeader& header, std::span<const std::byte> packed);
  std::span<const std::byte> unpacked(PageBuffer& buffer, std::span<const std::byte> packed,
                                      size_t bytes);
  void forget(bool all);

  std::span<const std::byte> chunk_;  // what lies between page_ and its end was not read
  const Leaf& leaf_;
  int32_t codec_;
  PageMemory& memory_;
  size_t next_ = 0, forgotten_ = 0;  // bytes of the chunk
  int64_t left_;                     // entries of pages that were not read
  int32_t page_left_ = 0;            // entries of this page behind the one that it stands at
  bool ended_ = false;
  int repetition_ = -1, definition_ = -1;
  LevelReader repetitions_, definitions_;
  PageBuffer page_buffer_, dictionary_buffer_;
  std::span<const std::byte> values_bytes_;
  int32_t encoding_ = 0;
  std::unique_ptr<ValueReader> values_;  // null before the page's first
  std::vector<Value> dictionary_;
  size_t dictionary_bytes_ = 0;
  bool has_dictionary_ = false;
};

}  // namespace falconer::parquet
