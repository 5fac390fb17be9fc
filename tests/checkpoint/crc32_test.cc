#include "checkpoint/crc32.h"

#include <gtest/gtest.h>

#include <string>

namespace falconer::test {
namespace {

TEST(Crc32, IsThatOfTheStandard) {
  EXPECT_EQ(crc32(0, "123456789", 9), 0xCBF43926u)
      << "the check value that goes with the definition";
  EXPECT_EQ(crc32(0, "", 0), 0u);
}

TEST(Crc32, GoesOnWhereItStopped) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 37);
  const uint32_t whole = crc32(0, text.data(), text.size());
  for (const size_t cut : {0, 1, 7, 8, 9, 501, 1000})
    EXPECT_EQ(crc32(crc32(0, text.data(), cut), text.data() + cut, text.size() - cut), whole);
}

}  // namespace
}  // namespace falconer::test
