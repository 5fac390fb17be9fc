#include "hub/listing.h"

#include <gtest/gtest.h>

#include "support/errors.h"

namespace falconer::hub {
namespace {

const std::string kListed(40, 'c');

std::string answer(const std::string& siblings) {
  return "{\"sha\": \"" + kListed + "\", \"siblings\": [" + siblings + "]}";
}

TEST(HubListing, HasTheHashOfLargeFilesFromGitLfs) {
  const Listing listing = parse_listing(
      answer(
          R"({"rfilename": "m.bin", "size": 134, "blobId": "01", "lfs": {"sha256": "ab", "size": 99}},
                {"rfilename": "config.json", "size": 7, "blobId": "02"}, {"rfilename": "x"})"),
      "hub");
  EXPECT_EQ(listing.commit, kListed);
  ASSERT_EQ(listing.files.size(), 3u);
  EXPECT_EQ(listing.files[0].path, "config.json");
  EXPECT_EQ(listing.files[0].etag, "02");
  EXPECT_EQ(listing.files[0].size, 7u);
  EXPECT_EQ(listing.files[1].etag, "ab");
  EXPECT_EQ(listing.files[1].size, 99u);
  EXPECT_EQ(listing.files[2].etag, "");
  EXPECT_FALSE(listing.files[2].size);
}

TEST(HubListing, RefusesNamesOutsideOfTheFolder) {
  for (const char* name :
       {"../../.ssh/authorized_keys", "/etc/passwd", "a/../../b", "", "a\\\\..\\\\b"})
    test::expect_mentions(test::message_of([&] {
                            parse_listing(answer(std::string("{\"rfilename\": \"") + name + "\"}"),
                                          "hub");
                          }),
                          {"refused"});
}

TEST(HubListing, ThatIsNoneSaysWhatToCheck) {
  for (const std::string& text :
       {std::string("<html>Log in</html>"), std::string("[]"), std::string("{}"),
        std::string("{\"sha\": \"../../x\", \"siblings\": []}"),
        "{\"sha\": \"" + kListed + "\", \"siblings\": 3}", std::string()})
    test::expect_mentions(test::message_of([&] { parse_listing(text, "https://proxy"); }),
                          {"https://proxy", "HF_ENDPOINT"});
  EXPECT_THROW(parse_listing(answer("3"), "hub"), Error);
  EXPECT_THROW(parse_listing(answer(R"({"rfilename": "a"}, {"rfilename": "a"})"), "hub"), Error);
  EXPECT_THROW(parse_listing(answer(R"({"rfilename": "a", "size": 99999999999999999})"), "hub"),
               Error);
}

TEST(HubListing, AHashThatIsNoNameOfAFileIsNotUsed) {
  const Listing listing =
      parse_listing(answer(R"({"rfilename": "a", "size": 1, "blobId": "../../x"})"), "hub");
  EXPECT_EQ(listing.files[0].etag, "");
}

}  // namespace
}  // namespace falconer::hub
