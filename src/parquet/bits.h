// Whole numbers packed into bits: runs and groups of them, and differences.
#pragma once

#include <cstdint>
#include <span>

namespace falconer::parquet {

/// Reads what is asked for and knows where it is. Errors: the bytes end.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  size_t left() const { return bytes_.size() - at_; }
  size_t position() const { return at_; }
  std::span<const std::byte> rest() const { return bytes_.subspan(at_); }
  std::span<const std::byte> take(uint64_t count);
  uint32_t word();    // four bytes
  uint64_t varint();  // of LEB128
  int64_t zigzag();

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

/// `width` bits from bit `at`, the lowest first. They must lie in `bytes`, and be 64 at most.
uint64_t bits_at(std::span<const std::byte> bytes, uint64_t at, int width);

/// How many bits numbers up to `most` need.
int bits_for(uint32_t most);

/// Parquet's RLE: runs of one value, and groups of eight that are packed into bits.
class RunReader {
 public:
  RunReader() = default;
  /// `width` from 0 to 32.
  RunReader(std::span<const std::byte> bytes, int width) : in_(bytes), width_(width) {}
  /// Error: there is none left.
  uint32_t next();

 private:
  void begin_run();

  ByteReader in_{{}};
  std::span<const std::byte> packed_;
  int width_ = 0;
  uint64_t left_ = 0, bit_ = 0;
  uint32_t value_ = 0;
  bool is_packed_ = false;
};

/// DELTA_BINARY_PACKED.
class DeltaReader {
 public:
  /// Errors, of this and all others: the header or a block cannot be.
  explicit DeltaReader(std::span<const std::byte> bytes);
  /// How many values there are, by its own word.
  uint64_t count() const { return count_; }
  /// Error: there is none left.
  int64_t next();
  /// Where the values end. Passes over those that are left.
  size_t end();

 private:
  void begin_block();
  void begin_mini_block();

  ByteReader in_;
  uint64_t mini_blocks_ = 0, mini_values_ = 0, count_ = 0;
  uint64_t left_ = 0;       // values behind the last that was given
  uint64_t mini_left_ = 0;  // of them in the mini-block
  uint64_t next_mini_ = 0;  // of the block
  std::span<const std::byte> widths_, packed_;
  uint64_t bit_ = 0;
  uint64_t value_ = 0, least_ = 0;  // they wrap, as the format says
  int width_ = 0;
  bool first_ = true;
};

}  // namespace falconer::parquet
