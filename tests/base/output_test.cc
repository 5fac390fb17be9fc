#include "base/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using test::expect_mentions;
using test::message_of;
using test::TempFolder;

void write_ours(const fs::path& path, std::string_view content) {
  write_file(path, content);
  mark_written(path);
}

TEST(PlaceOf, IsBehindAllLinks) {
  const TempFolder folder;
  write_file(folder / "file", "x");
  fs::create_directory(folder / "in");
  fs::create_symlink("../file", folder / "in" / "link");
  fs::create_symlink(folder / "in" / "link", folder / "again");
  fs::create_symlink("new", folder / "dangling");
  fs::create_symlink("round", folder / "round");
  EXPECT_EQ(place_of(folder / "other").path, folder / "other");
  EXPECT_TRUE(fs::equivalent(place_of(folder / "again").path, folder / "file"));
  EXPECT_FALSE(fs::is_symlink(place_of(folder / "again").path));
  EXPECT_EQ(place_of(folder / "dangling").path, folder / "new");
  EXPECT_EQ(place_of(folder / "in" / "").path, folder / "in");
  expect_mentions(message_of([&] { place_of(folder / "round"); }), {"round", "link"});
}

TEST(PlaceOf, WhatIsNoFileIsWrittenThrough) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  fs::create_symlink("pipe", folder / "link");
  for (const fs::path& path : {folder / "pipe", folder / "link", fs::path("/dev/null")}) {
    EXPECT_TRUE(place_of(path).through) << path;
    EXPECT_EQ(place_of(path).descriptor, -1) << path;
  }
  for (const char* path : {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}) {
    EXPECT_TRUE(place_of(path).through) << path;
    EXPECT_EQ(place_of(path).descriptor, 1) << path;
  }
}

TEST(Marked, AsLongAsNothingElseWrites) {
  const TempFolder folder;
  write_ours(folder / "a", "ours");
  if (!is_marked_written(folder / "a")) GTEST_SKIP() << "this file system keeps no attributes";
  write_file(folder / "b", "ours");
  EXPECT_FALSE(is_marked_written(folder / "b"));
  fs::rename(folder / "a", folder / "moved");
  EXPECT_TRUE(is_marked_written(folder / "moved"));
  std::ofstream(folder / "moved", std::ios::app) << "more";
  EXPECT_FALSE(is_marked_written(folder / "moved"));
}

TEST(OutputRule, NothingThatIsReadIsWrittenOver) {
  const TempFolder folder;
  fs::create_directory(folder / "model");
  write_file(folder / "model" / "weights", "w");
  write_ours(folder / "rows", "r");
  fs::create_symlink("rows", folder / "link");
  fs::create_hard_link(folder / "rows", folder / "same");
  fs::create_symlink(folder.path(), folder / "model" / "round");
  for (const bool overwrite : {false, true})
    for (const char* input : {"rows", "link", "model/../same"}) {
      OutputRule rule(overwrite);
      rule.reads((folder / input).string());
      rule.reads((folder / "model").string());
      rule.reads((folder / "none").string());
      rule.reads("");
      for (const char* output :
           {"rows", "./rows", "link", "same", "model/../rows", "model/weights"}) {
        OutputRule asked = rule;
        expect_mentions(message_of([&] { asked.check_file(folder / output, "--output"); }),
                        {output, "is read", "--output"});
      }
      EXPECT_NO_THROW(rule.check_file(folder / "new", "--output"));
      EXPECT_NO_THROW(rule.check_file("/dev/null", "--output"));
      expect_mentions(message_of([&] { rule.check_folder(folder / "model", "--out"); }),
                      {"model", "holds", "--out"});
      EXPECT_THROW(rule.check_folder(folder.path(), "--out"), Error);
    }
}

TEST(OutputRule, WhatOthersWroteStaysUnlessAskedFor) {
  const TempFolder folder;
  write_file(folder / "theirs", "t");
  write_ours(folder / "ours", "o");
  OutputRule rule(false);
  expect_mentions(message_of([&] { rule.check_file(folder / "theirs", "--out"); }),
                  {"theirs", "did not write", "--overwrite"});
  EXPECT_NO_THROW(OutputRule(true).check_file(folder / "theirs", "--out"));
  if (is_marked_written(folder / "ours")) {
    EXPECT_NO_THROW(rule.check_file(folder / "ours", "--out"));
    std::ofstream(folder / "ours", std::ios::app) << "by hand";
    EXPECT_THROW(OutputRule(false).check_file(folder / "ours", "--out"), Error);
  }
}

TEST(OutputRule, TwoResultsDoNotShareAFile) {
  const TempFolder folder;
  fs::create_symlink("a", folder / "link");
  OutputRule rule(true);
  rule.check_file(folder / "a", "--output");
  expect_mentions(message_of([&] { rule.check_file(folder / "link", "--logits"); }), {"--logits"});
  rule.check_file("/dev/null", "--output");
  EXPECT_NO_THROW(rule.check_file("/dev/null", "--logits"));
}

}  // namespace
}  // namespace falconer
