#include "train/sums.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

class Sums : public ::testing::Test {
 protected:
  Sums() {
    write_file(folder / "a.json", "abc");
    write_file(folder / "empty", "");
    write_sums(folder.path());
  }
  TempFolder folder;
};

TEST_F(Sums, AreThoseOfSha256sum) {
  EXPECT_EQ(read_text_file(folder / "SHA256SUMS"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.json\n"
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty\n");
  EXPECT_TRUE(check_sums(folder.path()).value().empty());
}

TEST_F(Sums, AFileThatChangedOrIsGoneIsNamed) {
  write_file(folder / "a.json", "abd");
  std::filesystem::remove(folder / "empty");
  const auto wrong = check_sums(folder.path()).value();
  ASSERT_EQ(wrong.size(), 2u);
  expect_mentions(wrong[0], {"a.json", "reads differently"});
  expect_mentions(wrong[1], {"empty", "missing"});
}

TEST_F(Sums, AFolderWithoutThemIsNotChecked) {
  std::filesystem::remove(folder / "SHA256SUMS");
  EXPECT_FALSE(check_sums(folder.path()));
}

TEST_F(Sums, ALineThatLeavesTheFolderIsRefused) {
  write_file(folder / "SHA256SUMS", std::string(64, '0') + "  ../a.json\n");
  expect_mentions(message_of([&] { check_sums(folder.path()); }), {"SHA256SUMS", "../a.json"});
}

}  // namespace
}  // namespace falconer::test
