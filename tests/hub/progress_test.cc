#include "hub/progress.h"

#include <gtest/gtest.h>

namespace falconer::hub {
namespace {

TEST(HubProgress, BytesAreInPowersOfTen) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1234), "1.23 kB");
  EXPECT_EQ(bytes_text(12345678), "12.3 MB");
  EXPECT_EQ(bytes_text(999999), "1.00 MB");
  EXPECT_EQ(bytes_text(9950000000), "9.95 GB");
  EXPECT_EQ(bytes_text(~uint64_t{0}), "18447 PB");
}

TEST(HubProgress, TimeIsRoundedUp) {
  EXPECT_EQ(time_text(0), "0:00");
  EXPECT_EQ(time_text(59.2), "1:00");
  EXPECT_EQ(time_text(3723), "1:02:03");
}

TEST(HubProgress, ALineNeverWraps) {
  const std::string name = "model-00001-of-00002.safetensors";
  for (const size_t width : {0, 1, 5, 20, 40, 60, 80, 200})
    for (const uint64_t done : {uint64_t{0}, uint64_t{5}, uint64_t{10}, uint64_t{20}}) {
      const std::string line = bar_line(name, done, 10, "82 MB/s, 1:06 left", width);
      EXPECT_LT(line.size(), std::max<size_t>(width, 1)) << line;
    }
  const std::string line =
      bar_line(name, uint64_t{1} << 30, uint64_t{1} << 31, "82 MB/s, 13:06 left", 120);
  EXPECT_NE(line.find("50 %"), std::string::npos) << line;
  EXPECT_NE(line.find("1.07 GB of 2.15 GB"), std::string::npos) << line;
  EXPECT_NE(line.find("13:06 left"), std::string::npos) << line;
}

TEST(HubProgress, ControlCharactersOfANameAreNotPrinted) {
  EXPECT_EQ(bar_line("a\x1b[2Jb", 1, 2, "", 80).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace falconer::hub
