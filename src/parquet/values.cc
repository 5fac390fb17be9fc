#include "parquet/values.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "parquet/bits.h"
#include "parquet/damage.h"

namespace falconer::parquet {
namespace {

constexpr int32_t kPlain = 0, kPlainDictionary = 2, kRle = 3, kDeltaInts = 5, kDeltaLengths = 6,
                  kDeltaStrings = 7, kDictionary = 8, kStreamSplit = 9;

template <class T>
T read_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Bytes of a value that stands as it is; 0 where they differ, or are bits.
size_t width_of(Physical physical, int32_t length) {
  switch (physical) {
    case Physical::kInt32:
    case Physical::kFloat:
      return 4;
    case Physical::kInt64:
    case Physical::kDouble:
      return 8;
    case Physical::kInt96:
      return 12;
    case Physical::kFixedBytes:
      return static_cast<size_t>(length);
    default:
      return 0;
  }
}

Value fixed_value(Physical physical, std::span<const std::byte> bytes) {
  switch (physical) {
    case Physical::kInt32:
      return {.integer = read_as<int32_t>(bytes.data())};
    case Physical::kInt64:
      return {.integer = read_as<int64_t>(bytes.data())};
    case Physical::kFloat:
      return {.real = read_as<float>(bytes.data())};
    case Physical::kDouble:
      return {.real = read_as<double>(bytes.data())};
    default:
      return {.bytes = text_of(bytes)};
  }
}

class PlainFixed : public ValueReader {
 public:
  PlainFixed(Physical physical, int32_t length, std::span<const std::byte> bytes)
      : in_(bytes), physical_(physical), width_(width_of(physical, length)) {}
  Value next() override { return fixed_value(physical_, in_.take(width_)); }

 private:
  ByteReader in_;
  Physical physical_;
  size_t width_;
};

class PlainBytes : public ValueReader {
 public:
  explicit PlainBytes(std::span<const std::byte> bytes) : in_(bytes) {}
  Value next() override { return {.bytes = text_of(in_.take(in_.word()))}; }

 private:
  ByteReader in_;
};

class PlainBits : public ValueReader {
 public:
  explicit PlainBits(std::span<const std::byte> bytes) : bytes_(bytes) {}
  Value next() override {
    if (at_ / 8 >= bytes_.size()) fail_damaged("a page has fewer values than it says");
    return {.integer = static_cast<int64_t>(bits_at(bytes_, at_++, 1))};
  }

 private:
  std::span<const std::byte> bytes_;
  uint64_t at_ = 0;
};

class RunBits : public ValueReader {
 public:
  explicit RunBits(std::span<const std::byte> bytes) {
    ByteReader in(bytes);
    const uint32_t size = in.word();
    runs_ = RunReader(in.take(size), 1);
  }
  Value next() override { return {.integer = static_cast<int64_t>(runs_.next())}; }

 private:
  RunReader runs_;
};

class DictionaryValues : public ValueReader {
 public:
  DictionaryValues(std::span<const std::byte> bytes, const std::vector<Value>& dictionary)
      : dictionary_(dictionary) {
    if (bytes.empty()) return;  // all values are null
    const int width = static_cast<int>(bytes[0]);
    if (width > 32) fail_damaged("a page has indices of {} bits", width);
    runs_.emplace(bytes.subspan(1), width);
  }
  Value next() override {
    if (!runs_) fail_damaged("a page has fewer indices than values");
    const uint32_t index = runs_->next();
    if (index >= dictionary_.size())
      fail_damaged("a page has the index {} into a dictionary of {} values", index,
                   dictionary_.size());
    return dictionary_[index];
  }

 private:
  const std::vector<Value>& dictionary_;
  std::optional<RunReader> runs_;
};

class DeltaInts : public ValueReader {
 public:
  DeltaInts(std::span<const std::byte> bytes, bool narrow) : in_(bytes), narrow_(narrow) {}
  Value next() override {
    const int64_t value = in_.next();
    return {.integer = narrow_ ? static_cast<int32_t>(static_cast<uint32_t>(value)) : value};
  }

 private:
  DeltaReader in_;
  bool narrow_;  // 32 bits, in which sums wrap
};

/// All lengths, and then all bytes.
class DeltaLengths : public ValueReader {
 public:
  explicit DeltaLengths(std::span<const std::byte> bytes)
      : lengths_(bytes), in_(bytes.subspan(DeltaReader(bytes).end())) {}
  Value next() override {
    const int64_t length = lengths_.next();
    if (length < 0) fail_damaged("a page has a value of {} bytes", length);
    return {.bytes = text_of(in_.take(static_cast<uint64_t>(length)))};
  }

 private:
  DeltaReader lengths_;
  ByteReader in_;
};

/// How many bytes each has of the one before it, and then what follows them.
class DeltaStrings : public ValueReader {
 public:
  /// `length` is what all of them have; 0: any.
  DeltaStrings(std::span<const std::byte> bytes, size_t length)
      : prefixes_(bytes), suffixes_(bytes.subspan(DeltaReader(bytes).end())), length_(length) {}
  Value next() override {
    const int64_t prefix = prefixes_.next();
    const std::string_view suffix = suffixes_.next().bytes;
    if (prefix < 0 || static_cast<size_t>(prefix) > last_.size())
      fail_damaged("a page has a value that begins with {} bytes of one that has {}", prefix,
                   last_.size());
    if (static_cast<size_t>(prefix) + suffix.size() > kLongestValue)
      fail("has a value of more than {} MB; a row may have no more", kLongestValue >> 20);
    last_.resize(static_cast<size_t>(prefix));
    last_ += suffix;
    if (length_ != 0 && last_.size() != length_)
      fail_damaged("a page has a value of {} bytes, expected {}", last_.size(), length_);
    return {.bytes = last_};
  }

 private:
  DeltaReader prefixes_;
  DeltaLengths suffixes_;
  size_t length_;
  std::string last_;
};

/// The first bytes of all values, then all second ones, and so on.
class StreamSplit : public ValueReader {
 public:
  StreamSplit(Physical physical, int32_t length, std::span<const std::byte> bytes)
      : bytes_(bytes), physical_(physical), count_(bytes.size() / width_of(physical, length)) {
    const size_t width = width_of(physical, length);
    if (bytes.size() % width != 0)
      fail_damaged("a page has values of {} bytes in {}", width, bytes.size());
    if (count_ > 0) value_.resize(width);
  }
  Value next() override {
    if (at_ == count_) fail_damaged("a page has fewer values than it says");
    for (size_t i = 0; i < value_.size(); ++i) value_[i] = bytes_[i * count_ + at_];
    ++at_;
    return fixed_value(physical_, value_);
  }

 private:
  std::span<const std::byte> bytes_;
  Physical physical_;
  std::vector<std::byte> value_;
  size_t count_, at_ = 0;
};

}  // namespace

std::unique_ptr<ValueReader> make_value_reader(int32_t encoding, Physical physical, int32_t length,
                                               std::span<const std::byte> bytes,
                                               const std::vector<Value>* dictionary) {
  const bool is_int = physical == Physical::kInt32 || physical == Physical::kInt64;
  const bool is_bytes = physical == Physical::kBytes, is_bool = physical == Physical::kBoolean;
  switch (encoding) {
    case kPlain:
      if (is_bytes) return std::make_unique<PlainBytes>(bytes);
      if (is_bool) return std::make_unique<PlainBits>(bytes);
      return std::make_unique<PlainFixed>(physical, length, bytes);
    case kPlainDictionary:
    case kDictionary:
      if (dictionary == nullptr) fail_damaged("a page has indices, and the column no dictionary");
      return std::make_unique<DictionaryValues>(bytes, *dictionary);
    case kRle:
      if (is_bool) return std::make_unique<RunBits>(bytes);
      break;
    case kDeltaInts:
      if (is_int) return std::make_unique<DeltaInts>(bytes, physical == Physical::kInt32);
      break;
    case kDeltaLengths:
      if (is_bytes) return std::make_unique<DeltaLengths>(bytes);
      break;
    case kDeltaStrings:
      if (is_bytes || physical == Physical::kFixedBytes)
        return std::make_unique<DeltaStrings>(bytes, width_of(physical, length));
      break;
    case kStreamSplit:
      if (!is_bytes && !is_bool) return std::make_unique<StreamSplit>(physical, length, bytes);
      break;
    default:
      break;
  }
  fail_damaged("a page has {} values as {}, which Parquet does not have", name_of(physical),
               name_of_encoding(encoding));
}

}  // namespace falconer::parquet
