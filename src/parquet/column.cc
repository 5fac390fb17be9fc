#include "parquet/column.h"

#include <zlib.h>

#include "base/file.h"
#include "parquet/codec.h"
#include "parquet/damage.h"

namespace falconer::parquet {
namespace {

constexpr size_t kForgetStep = size_t{1} << 20;
// Nobody's page is larger than that and packed so well: a few bytes that become gigabytes are an attack.
constexpr size_t kFreelyPacked = size_t{16} << 20, kMostPacked = 1024;

std::span<const std::byte> bytes_of_chunk(std::span<const std::byte> file,
                                          const ColumnChunk& chunk) {
  const auto size = static_cast<int64_t>(file.size());
  if (chunk.begin < 4 || chunk.bytes < 0 || chunk.begin > size || chunk.bytes > size - chunk.begin)
    fail_damaged("its {} bytes from byte {} on are not in the file, which has {}", chunk.bytes,
                 chunk.begin, size);
  return file.subspan(static_cast<size_t>(chunk.begin), static_cast<size_t>(chunk.bytes));
}

void check_crc(const PageHeader& header, std::span<const std::byte> bytes) {
  if (!header.crc) return;
  const auto found = static_cast<uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  if (found != *header.crc)
    fail_damaged("a page has the checksum {:08x}, expected {:08x}", found, *header.crc);
}

}  // namespace

void PageMemory::take(size_t bytes) {
  if (bytes > kMost - used_)
    fail(
        "its pages take more than {} MB at a time; write it with smaller ones (with pyarrow: "
        "data_page_size), or with fewer columns",
        kMost >> 20);
  used_ += bytes;
}

std::span<std::byte> PageBuffer::resize(size_t bytes) {
  if (bytes > PageMemory::kMostOfPage)
    fail(
        "has a page of {} MB, at most {} are read; write it with smaller ones (with pyarrow: "
        "data_page_size)",
        bytes >> 20, PageMemory::kMostOfPage >> 20);
  if (bytes > room_) {
    bytes_.reset();
    memory_->give_back(std::exchange(room_, 0));
    memory_->take(bytes);
    room_ = bytes;
    bytes_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
  }
  return {bytes_.get(), bytes};
}

LevelReader::LevelReader(std::span<const std::byte> bytes, int most)
    : most_(most), width_(bits_for(static_cast<uint32_t>(most))), runs_(bytes, width_) {}

LevelReader LevelReader::of_page(std::span<const std::byte>& page, int32_t encoding, int32_t values,
                                 int most) {
  if (most == 0) return {};
  ByteReader in(page);
  LevelReader made;
  if (encoding == kRuns) {
    const uint32_t size = in.word();
    made = LevelReader(in.take(size), most);
  } else if (encoding == kBits) {
    made = LevelReader({}, most);
    made.by_bits_ = true;
    made.bits_ =
        in.take((static_cast<uint64_t>(values) * static_cast<uint64_t>(made.width_) + 7) / 8);
  } else {
    fail_damaged("a page has levels as {}, which Parquet does not have",
                 name_of_encoding(encoding));
  }
  page = in.rest();
  return made;
}

int LevelReader::next() {
  if (most_ == 0) return 0;
  int level = 0;
  if (by_bits_) {  // the highest bit first
    for (int i = 0; i < width_; ++i, ++bit_)
      level = level << 1 | (static_cast<int>(bits_[bit_ / 8]) >> (7 - bit_ % 8) & 1);
  } else {
    level = static_cast<int>(runs_.next());
  }
  if (level > most_) fail_damaged("a page has the level {}, at most {} is possible", level, most_);
  return level;
}

ColumnReader::ColumnReader(std::span<const std::byte> file, const Leaf& leaf,
                           const ColumnChunk& chunk, PageMemory& memory)
    : leaf_(leaf),
      codec_(chunk.codec),
      memory_(memory),
      left_(chunk.values),
      page_buffer_(memory),
      dictionary_buffer_(memory) {
  if (chunk.encrypted)
    fail("is encrypted, and encrypted Parquet is not read here; write it without encryption");
  if (chunk.elsewhere)
    fail("has its values in another file, which is not read here; write them into one file");
  check_codec(codec_);
  if (chunk.physical != leaf.physical)
    fail_damaged("has values of {}, and the schema says {}", name_of(chunk.physical),
                 name_of(leaf.physical));
  if (left_ < 0) fail_damaged("has {} values", left_);
  chunk_ = bytes_of_chunk(file, chunk);
  advance();
}

ColumnReader::~ColumnReader() {
  memory_.give_back(dictionary_bytes_);
  forget(true);
}

void ColumnReader::forget(bool all) {
  const size_t end = all ? chunk_.size() : next_;
  if (!all && end - forgotten_ < kForgetStep) return;
  if (chunk_.empty()) return;
  forget_pages(chunk_.subspan(forgotten_, end - forgotten_));
  forgotten_ = end;
}

std::span<const std::byte> ColumnReader::unpacked(PageBuffer& buffer,
                                                  std::span<const std::byte> packed, size_t bytes) {
  if (is_uncompressed(codec_)) {
    if (packed.size() != bytes)
      fail_damaged("a page has {} bytes, and its header says {}", packed.size(), bytes);
    return packed;
  }
  if (bytes > kFreelyPacked && bytes / kMostPacked > packed.size())
    fail_damaged("a page of {} bytes is said to become {}", packed.size(), bytes);
  const std::span<std::byte> out = buffer.resize(bytes);
  unpack_page(codec_, packed, out);
  return out;
}

void ColumnReader::read_dictionary(const PageHeader& header, std::span<const std::byte> packed) {
  constexpr int32_t kPlain = 0, kPlainDictionary = 2;
  if (has_dictionary_) fail_damaged("has a second dictionary");
  if (header.encoding != kPlain && header.encoding != kPlainDictionary)
    fail_damaged("has a dictionary as {}, expected PLAIN", name_of_encoding(header.encoding));
  const auto bytes = unpacked(dictionary_buffer_, packed, static_cast<size_t>(header.unpacked));
  const auto count = static_cast<size_t>(header.values);
  if (leaf_.physical == Physical::kBoolean || count > bytes.size())
    fail_damaged("has a dictionary of {} values in {} bytes", count, bytes.size());
  memory_.take(count * sizeof(Value));
  dictionary_bytes_ = count * sizeof(Value);
  dictionary_.reserve(count);
  const auto values = make_value_reader(kPlain, leaf_.physical, leaf_.length, bytes, nullptr);
  for (size_t i = 0; i < count; ++i) dictionary_.push_back(values->next());
  has_dictionary_ = true;
}

void ColumnReader::read_data(const PageHeader& header, std::span<const std::byte> packed) {
  const bool v2 = header.kind == PageKind::kDataV2;
  if (header.values > left_)
    fail_damaged("a page has {} values, and {} are left of the column", header.values, left_);
  left_ -= header.values;
  page_left_ = header.values;
  values_.reset();
  encoding_ = header.encoding;
  if (header.values == 0) return;
  const auto size = static_cast<size_t>(header.unpacked);
  if (v2) {
    const auto repetition = static_cast<size_t>(header.repetition_bytes);
    const auto definition = static_cast<size_t>(header.definition_bytes);
    const size_t levels = repetition + definition;
    if (levels > packed.size() || levels > size)
      fail_damaged("a page of {} bytes has {} of levels", packed.size(), levels);
    repetitions_ = LevelReader(packed.first(repetition), leaf_.max_repetition);
    definitions_ = LevelReader(packed.subspan(repetition, definition), leaf_.max_definition);
    packed = packed.subspan(levels);
    // All values may be null, and then there is nothing to unpack.
    const bool as_it_is = !header.is_packed || (packed.empty() && size == levels);
    values_bytes_ = as_it_is ? packed : unpacked(page_buffer_, packed, size - levels);
    return;
  }
  values_bytes_ = unpacked(page_buffer_, packed, size);
  repetitions_ = LevelReader::of_page(values_bytes_, header.repetition_encoding, header.values,
                                      leaf_.max_repetition);
  definitions_ = LevelReader::of_page(values_bytes_, header.definition_encoding, header.values,
                                      leaf_.max_definition);
}

void ColumnReader::next_page() {
  forget(false);
  const PageHeader header = read_page_header(chunk_.subspan(next_));
  next_ += header.bytes;
  const auto size = static_cast<size_t>(header.packed);
  if (size > chunk_.size() - next_)
    fail_damaged("a page has {} bytes, and {} are left of the column", size, chunk_.size() - next_);
  const auto packed = chunk_.subspan(next_, size);
  next_ += size;
  check_crc(header, packed);
  if (header.kind == PageKind::kDictionary)
    read_dictionary(header, packed);
  else if (header.kind != PageKind::kIndex)
    read_data(header, packed);
}

void ColumnReader::advance() {
  while (page_left_ == 0) {
    if (left_ == 0) {
      ended_ = true;
      repetition_ = definition_ = -1;
      return;
    }
    next_page();
  }
  --page_left_;
  repetition_ = repetitions_.next();
  definition_ = definitions_.next();
}

Value ColumnReader::value() {
  if (values_ == nullptr)
    values_ = make_value_reader(encoding_, leaf_.physical, leaf_.length, values_bytes_,
                                has_dictionary_ ? &dictionary_ : nullptr);
  return values_->next();
}

}  // namespace falconer::parquet
