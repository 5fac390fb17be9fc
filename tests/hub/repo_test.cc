#include "hub/repo.h"

#include <gtest/gtest.h>

#include "support/errors.h"

namespace falconer::hub {
namespace {

TEST(HubName, IsOrganisationAndName) {
  const auto name = parse_hub_name("tiiuae/falcon-7b", RepoKind::kModel);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->repo.id, "tiiuae/falcon-7b");
  EXPECT_EQ(name->repo.revision, "main");
  EXPECT_EQ(name->file, "");
  EXPECT_EQ(name->repo.text(), "tiiuae/falcon-7b");
}

TEST(HubName, TakesARevisionWithSlashesForAModel) {
  const auto name = parse_hub_name("hf://org/name.v1@refs/pr/1", RepoKind::kModel);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->repo.id, "org/name.v1");
  EXPECT_EQ(name->repo.revision, "refs/pr/1");
  EXPECT_EQ(name->repo.text(), "org/name.v1@refs/pr/1");
}

TEST(HubName, TakesAFileOfADataset) {
  for (const char* text :
       {"org/rows@v2/data/train.jsonl", "hf://datasets/org/rows@v2/data/train.jsonl"}) {
    const auto name = parse_hub_name(text, RepoKind::kDataset);
    ASSERT_TRUE(name) << text;
    EXPECT_EQ(name->repo.id, "org/rows");
    EXPECT_EQ(name->repo.revision, "v2");
    EXPECT_EQ(name->file, "data/train.jsonl");
  }
}

TEST(HubName, IsNoPath) {
  for (const char* text :
       {"", "name", "/tmp/x", "./a/b", "../a", "a/../b", "org/name/", "org//name", "a/b/../c",
        "org/.hidden", "org/na me", "org/name--x", "org/name..x", "-org/name", "org/name.git",
        "org/name@", "~/model", "org\\name", "org/name\n"})
    EXPECT_FALSE(parse_hub_name(text, RepoKind::kModel)) << text;
}

TEST(HubFilePath, OutsideOfItsFolderIsRefused) {
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a/..", ".", "a//b", "a/",
                           "a\\..\\b", "C:\\x", "C:x", "a\nb", "a/./b"})
    EXPECT_THROW(check_file_path(path), Error) << path;
  EXPECT_THROW(check_file_path(std::string(300, 'a')), Error);
  EXPECT_THROW(check_file_path(std::string("a\0b", 3)), Error);
  for (const char* path : {"config.json", "a/b/c.bin", "..a", "a..", "with space", "\xc3\xa4.txt"})
    EXPECT_NO_THROW(check_file_path(path)) << path;
}

TEST(HubRevision, ThatWouldLeaveTheCacheIsRefused) {
  for (const char* revision : {"", "../x", "/x", "a/../b", "a b", "a\nb", "a//b"})
    EXPECT_THROW(check_revision(revision), Error) << revision;
  for (const char* revision : {"main", "v1.0", "refs/pr/3", "feature/x"})
    EXPECT_NO_THROW(check_revision(revision)) << revision;
}

TEST(HubEtag, IsWithoutQuotesAndFitToBeAName) {
  EXPECT_EQ(plain_etag("\"abc\""), "abc");
  EXPECT_EQ(plain_etag("W/\"abc\""), "abc");
  EXPECT_TRUE(is_plain_etag("0a1b-2"));
  for (const char* etag : {"", "../x", "a/b", ".x", "a b"})
    EXPECT_FALSE(is_plain_etag(etag)) << etag;
}

TEST(HubAddress, IsQuoted) {
  EXPECT_EQ(url_quote("refs/pr/1", false), "refs%2Fpr%2F1");
  EXPECT_EQ(url_quote("a b/c?d#e%", true), "a%20b/c%3Fd%23e%25");
  EXPECT_EQ(url_quote("\xc3\xa4", true), "%C3%A4");
}

TEST(HubCommit, IsFortyDigits) {
  EXPECT_TRUE(is_commit(std::string(40, 'a')));
  for (const std::string& text : {std::string(39, 'a'), std::string(40, 'g'), std::string(40, 'A')})
    EXPECT_FALSE(is_commit(text));
}

}  // namespace
}  // namespace falconer::hub
