#include "base/unpack.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>

#include "support/errors.h"
#include "support/packed.h"

namespace falconer::test {
namespace {

std::string unpacked(Packing packing, std::string_view packed, size_t part = 1000) {
  Unpacker unpacker(packing, std::as_bytes(std::span(packed.data(), packed.size())));
  std::string all, room(part, '\0');
  for (;;) {
    const size_t made = unpacker.read(std::as_writable_bytes(std::span(room.data(), part)));
    all.append(room, 0, made);
    if (made < part) return all;
  }
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "line " + std::to_string(i * i) + "\n";
  return text;
}

TEST(Unpack, WhatWasPackedInPartsOfAnySize) {
  const std::string text = long_text();
  for (const Packing packing : {Packing::kGzip, Packing::kZstd}) {
    const std::string packed = packed_text(packing, text);
    for (const size_t part : {size_t{1} << 20, size_t{4096}, size_t{7}})
      EXPECT_EQ(unpacked(packing, packed, part), text);
    EXPECT_EQ(unpacked(packing, packed + packed_text(packing, "more")), text + "more")
        << "several streams are one";
    EXPECT_EQ(unpacked(packing, packed_text(packing, "")), "");
    EXPECT_EQ(unpacked(packing, ""), "");
  }
  EXPECT_EQ(unpacked(Packing::kNone, text), text);
  EXPECT_EQ(unpacked(Packing::kGzip, packed_text(Packing::kGzip, text) + std::string(512, '\0')),
            text)
      << "zeros that a tape is filled up with";
}

TEST(Unpack, WhatIsCutOrChangedIsSaid) {
  const std::string text = long_text().substr(0, 3000);
  for (const Packing packing : {Packing::kGzip, Packing::kZstd}) {
    const std::string packed = packed_text(packing, text);
    for (size_t size = 1; size < packed.size(); ++size)
      expect_mentions(message_of([&] { unpacked(packing, packed.substr(0, size)); }),
                      {"breaks off", "fetch or write it again"});
    expect_mentions(message_of([&] { unpacked(packing, "no packed data"); }),
                    {"fetch or write it again"});
    std::string changed = packed;
    changed[packed.size() - 6] ^= 0x55;  // the checksum, or what it is of
    if (packing == Packing::kGzip)
      expect_mentions(message_of([&] { unpacked(packing, changed); }), {"damaged", "data check"});
  }
  expect_mentions(
      message_of([&] { unpacked(Packing::kGzip, packed_text(Packing::kGzip, text) + "x"); }),
      {"fetch or write it again"});
}

}  // namespace
}  // namespace falconer::test
