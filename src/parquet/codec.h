// What pages are compressed with.
#pragma once

#include <cstdint>
#include <span>

namespace falconer::parquet {

/// Error: the codec is not read here; what to do about it.
void check_codec(int32_t codec);
/// Pages stand as they are.
bool is_uncompressed(int32_t codec);

/// Fills `out`. Errors: what is packed is not so many bytes, or damaged.
void unpack_page(int32_t codec, std::span<const std::byte> packed, std::span<std::byte> out);

}  // namespace falconer::parquet
