#include "base/line_reader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "base/file.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  LineReader reader(path);
  std::vector<std::string> lines;
  for (std::string line; reader.next(line);) lines.push_back(line);
  return lines;
}

TEST(LineReader, LinesAreThoseOfTheFile) {
  const TempFolder folder;
  const std::string longer(200'000, 'x');
  write_file(folder / "a", "one\n\ntwo\r\n" + longer + "\nlast");
  EXPECT_EQ(lines_of(folder / "a"), (std::vector<std::string>{"one", "", "two\r", longer, "last"}));
  write_file(folder / "b", "one\n");
  EXPECT_EQ(lines_of(folder / "b"), (std::vector<std::string>{"one"}));
  write_file(folder / "c", "");
  EXPECT_TRUE(lines_of(folder / "c").empty());
}

TEST(LineReader, WhatCannotBeReadIsSaid) {
  const TempFolder folder;
  expect_mentions(message_of([&] { lines_of(folder.path()); }), {"is a folder"});
  expect_mentions(message_of([&] { lines_of(folder / "none"); }),
                  {"none", "no such file; expected a file"});
  expect_mentions(message_of([] { lines_of("/proc/self/mem"); }),
                  {"/proc/self/mem", "cannot be read"});
}

TEST(LineReader, APipeIsReadToItsEnd) {
  const TempFolder folder;
  const std::string pipe = (folder / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << "one\ntwo\n"; });
  EXPECT_EQ(lines_of(pipe), (std::vector<std::string>{"one", "two"}));
  writer.join();
}

}  // namespace
}  // namespace falconer::test
