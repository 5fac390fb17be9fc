// Text as gzip and zstd pack it.
#pragma once

#include <zlib.h>
#include <zstd.h>

#include <string>

#include "base/error.h"
#include "base/unpack.h"

namespace falconer::test {

inline std::string packed_text(Packing packing, const std::string& text) {
  std::string packed(text.size() * 2 + 1000, '\0');
  if (packing == Packing::kZstd) {
    packed.resize(::ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
    return packed;
  }
  z_stream stream{};
  FALCONER_CHECK(::deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  FALCONER_CHECK(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(packed.size() - stream.avail_out);
  ::deflateEnd(&stream);
  return packed;
}

}  // namespace falconer::test
