#include "parquet/codec.h"

#include <lz4.h>
#include <snappy-c.h>

#include <cstring>

#include "base/unpack.h"
#include "parquet/damage.h"

namespace falconer::parquet {
namespace {

constexpr int32_t kUncompressed = 0, kSnappy = 1, kGzip = 2, kLz4Hadoop = 5, kZstd = 6, kLz4 = 7;
constexpr const char* kCodecNames[] = {"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO",
                                       "BROTLI",       "LZ4",    "ZSTD", "LZ4_RAW"};
constexpr int32_t kCodecs = 8;

const char* chars(std::span<const std::byte> bytes) {
  return reinterpret_cast<const char*>(bytes.data());
}
char* chars(std::span<std::byte> bytes) { return reinterpret_cast<char*>(bytes.data()); }

bool unpack_snappy(std::span<const std::byte> packed, std::span<std::byte> out) {
  size_t size = 0;
  return ::snappy_uncompressed_length(chars(packed), packed.size(), &size) == SNAPPY_OK &&
         size == out.size() &&
         ::snappy_uncompress(chars(packed), packed.size(), chars(out), &size) == SNAPPY_OK &&
         size == out.size();
}

bool unpack_lz4(std::span<const std::byte> packed, std::span<std::byte> out) {
  // Sizes of a page are below 2^31.
  return ::LZ4_decompress_safe(chars(packed), chars(out), static_cast<int>(packed.size()),
                               static_cast<int>(out.size())) == static_cast<int>(out.size());
}

size_t big_endian(std::span<const std::byte> bytes) {
  size_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<size_t>(bytes[i]);
  return value;
}

/// Blocks, each behind its size unpacked and packed, as Hadoop writes them.
bool unpack_lz4_blocks(std::span<const std::byte> packed, std::span<std::byte> out) {
  while (packed.size() >= 8) {
    const size_t size = big_endian(packed), bytes = big_endian(packed.subspan(4));
    packed = packed.subspan(8);
    if (bytes > packed.size() || size > out.size()) return false;
    if (!unpack_lz4(packed.first(bytes), out.first(size))) return false;
    packed = packed.subspan(bytes);
    out = out.subspan(size);
  }
  return packed.empty() && out.empty();
}

bool unpack_stream(Packing packing, std::span<const std::byte> packed, std::span<std::byte> out) {
  Unpacker stream(packing, packed);
  std::byte more;
  return stream.read(out) == out.size() && stream.read({&more, 1}) == 0;
}

}  // namespace

void check_codec(int32_t codec) {
  switch (codec) {
    case kUncompressed:
    case kSnappy:
    case kGzip:
    case kLz4Hadoop:
    case kZstd:
    case kLz4:
      return;
    default:
      break;
  }
  fail(
      "is compressed with {}, and read here are snappy, gzip, zstd, lz4 and uncompressed data. "
      "With "
      "Python it is written again:\n  python3 -c \"import pyarrow.parquet as p; "
      "p.write_table(p.read_table('OLD.parquet'), 'NEW.parquet', compression='zstd')\"",
      codec >= 0 && codec < kCodecs ? kCodecNames[codec] : fmt::format("codec {}", codec));
}

bool is_uncompressed(int32_t codec) { return codec == kUncompressed; }

void unpack_page(int32_t codec, std::span<const std::byte> packed, std::span<std::byte> out) {
  bool good = false;
  switch (codec) {
    case kUncompressed:
      good = packed.size() == out.size();
      if (good && !out.empty()) std::memcpy(out.data(), packed.data(), out.size());
      break;
    case kSnappy:
      good = unpack_snappy(packed, out);
      break;
    case kGzip:
      good = unpack_stream(Packing::kGzip, packed, out);
      break;
    case kZstd:
      good = unpack_stream(Packing::kZstd, packed, out);
      break;
    case kLz4Hadoop:  // by its name; some wrote plain blocks under it
      good = unpack_lz4_blocks(packed, out) || unpack_lz4(packed, out);
      break;
    default:
      good = unpack_lz4(packed, out);
  }
  if (!good)
    fail_damaged("a page of {} bytes does not become {} by {}", packed.size(), out.size(),
                 kCodecNames[codec]);
}

}  // namespace falconer::parquet
