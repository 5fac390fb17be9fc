// TensorBoard's format, byte for byte; tests/ecosystem/tensorboard_reader.py has its own reader.
#include "train/tensorboard.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

// The values of RFC 3720, appendix B.4.
TEST(TensorBoard, Crc32cIsCastagnolis) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  EXPECT_EQ(crc32c(rising), 0x46dd794eu);
}

TEST(TensorBoard, ARecordIsLengthChecksumBytesChecksum) {
  const std::string record = tfrecord("abc");
  ASSERT_EQ(record.size(), 8u + 4 + 3 + 4);
  EXPECT_EQ(record.substr(0, 8), bytes({3, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(record.substr(12, 3), "abc");
  const auto masked = [](uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; };
  const auto little_endian = [](const std::string& four) {
    uint32_t value = 0;
    for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(four[i]);
    return value;
  };
  EXPECT_EQ(little_endian(record.substr(8, 4)), masked(crc32c(record.substr(0, 8))));
  EXPECT_EQ(little_endian(record.substr(15, 4)), masked(crc32c("abc")));
}

TEST(TensorBoard, EventsAreProtocolBuffers) {
  // 1.5 is 3FF8000000000000, 0.25f is 3E800000.
  const std::string time = bytes({0x09, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F});
  EXPECT_EQ(version_event(1.5), time + bytes({0x1A, 13}) + "brain.Event:2");
  EXPECT_EQ(restart_event(1.5, 300), time + bytes({0x10, 0xAC, 0x02, 0x3A, 2, 0x08, 1}));
  EXPECT_EQ(scalars_event(1.5, 7, {{"a/b", 0.25}}),
            time + bytes({0x10, 7, 0x2A, 12, 0x0A, 10, 0x0A, 3}) + "a/b" +
                bytes({0x15, 0, 0, 0x80, 0x3E}));
}

TEST(TensorBoard, FilesOfARunSortInTheOrderOfTheirWriting) {
  const TempFolder folder;
  for (const int64_t after : {-1, 4, 8})
    EventFile(folder.path(), after).write(after + 1, {{"x", 1}});
  const auto files = list_event_files(folder.path());
  ASSERT_EQ(files.size(), 3u);
  // Only those that follow another one say where they go on.
  const auto says = [&](size_t i, const std::string& what) {
    return read_text_file(files[i]).find(what) != std::string::npos;
  };
  const std::string restart = bytes({0x3A, 2, 0x08, 1});
  EXPECT_FALSE(says(0, restart));
  EXPECT_TRUE(says(1, bytes({0x10, 5}) + restart));
  EXPECT_TRUE(says(2, bytes({0x10, 9}) + restart));
}

}  // namespace
}  // namespace falconer::test
