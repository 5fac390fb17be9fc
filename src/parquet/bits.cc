#include "parquet/bits.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "parquet/damage.h"

namespace falconer::parquet {

std::span<const std::byte> ByteReader::take(uint64_t count) {
  if (count > left())
    fail_damaged("a page breaks off: expected {} bytes more, found {}", count, left());
  at_ += count;
  return bytes_.subspan(at_ - count, count);
}

uint32_t ByteReader::word() {
  uint32_t value;
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

uint64_t ByteReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto next = static_cast<uint64_t>(take(1)[0]);
    value |= (next & 0x7F) << shift;
    if (next < 0x80) return value;
  }
  fail_damaged("a number of a page has more than 64 bits");
}

int64_t ByteReader::zigzag() {
  const uint64_t value = varint();
  return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

uint64_t bits_at(std::span<const std::byte> bytes, uint64_t at, int width) {
  if (width == 0) return 0;
  const size_t first = at / 8;
  const int shift = static_cast<int>(at % 8);
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + first, std::min<size_t>(8, bytes.size() - first));
  value >>= shift;
  if (shift + width > 64) value |= static_cast<uint64_t>(bytes[first + 8]) << (64 - shift);
  return width == 64 ? value : value & ((uint64_t{1} << width) - 1);
}

int bits_for(uint32_t most) { return static_cast<int>(std::bit_width(most)); }

void RunReader::begin_run() {
  while (left_ == 0) {
    if (in_.left() == 0) fail_damaged("a page has fewer levels or indices than values");
    const uint64_t header = in_.varint();
    const uint64_t count = header >> 1;
    is_packed_ = (header & 1) != 0;
    if (is_packed_) {
      // The last group may be cut where its values end.
      const uint64_t most = uint64_t{in_.left()} * 8;
      if (width_ > 0 && count > most) fail_damaged("a page has a run of {} values", count);
      const uint64_t bytes = std::min<uint64_t>(count * static_cast<uint64_t>(width_), in_.left());
      packed_ = in_.take(bytes);
      bit_ = 0;
      left_ = width_ == 0 ? count * 8 : bytes * 8 / static_cast<uint64_t>(width_);
    } else {
      value_ = 0;
      const auto bytes = in_.take(static_cast<uint64_t>((width_ + 7) / 8));
      std::memcpy(&value_, bytes.data(), bytes.size());
      if (width_ < 32 && value_ >> width_ != 0)
        fail_damaged("a page has the value {} in {} bits", value_, width_);
      left_ = count;
    }
  }
}

uint32_t RunReader::next() {
  if (left_ == 0) {
    if (width_ == 0 && in_.left() == 0) return 0;  // all are 0, and nothing needs to say so
    begin_run();
  }
  --left_;
  if (!is_packed_) return value_;
  const auto value = static_cast<uint32_t>(bits_at(packed_, bit_, width_));
  bit_ += static_cast<uint64_t>(width_);
  return value;
}

DeltaReader::DeltaReader(std::span<const std::byte> bytes) : in_(bytes) {
  const uint64_t block = in_.varint();
  mini_blocks_ = in_.varint();
  count_ = left_ = in_.varint();
  value_ = static_cast<uint64_t>(in_.zigzag());
  constexpr uint64_t kMost = uint64_t{1} << 31;
  if (block == 0 || block > kMost || mini_blocks_ == 0 || block % mini_blocks_ != 0 ||
      block / mini_blocks_ % 32 != 0 || count_ > kMost)
    fail_damaged("a page of differences has {} values in blocks of {} with {} parts", count_, block,
                 mini_blocks_);
  mini_values_ = block / mini_blocks_;
  next_mini_ = mini_blocks_;
}

void DeltaReader::begin_block() {
  least_ = static_cast<uint64_t>(in_.zigzag());
  widths_ = in_.take(mini_blocks_);
  next_mini_ = 0;
}

void DeltaReader::begin_mini_block() {
  if (next_mini_ == mini_blocks_) begin_block();
  width_ = static_cast<int>(widths_[next_mini_++]);
  if (width_ > 64) fail_damaged("a page of differences has one of {} bits", width_);
  packed_ = in_.take(mini_values_ / 8 * static_cast<uint64_t>(width_));
  mini_left_ = mini_values_;
  bit_ = 0;
}

int64_t DeltaReader::next() {
  if (left_ == 0) fail_damaged("a page has fewer differences than values");
  --left_;
  if (first_) {
    first_ = false;
    return static_cast<int64_t>(value_);
  }
  if (mini_left_ == 0) begin_mini_block();
  --mini_left_;
  value_ += least_ + bits_at(packed_, bit_, width_);
  bit_ += static_cast<uint64_t>(width_);
  return static_cast<int64_t>(value_);
}

size_t DeltaReader::end() {
  if (first_ && left_ > 0) next();
  while (left_ > 0) {
    if (mini_left_ == 0) begin_mini_block();
    const uint64_t passed = std::min(left_, mini_left_);
    left_ -= passed;
    mini_left_ -= passed;
  }
  return in_.position();
}

}  // namespace falconer::parquet
