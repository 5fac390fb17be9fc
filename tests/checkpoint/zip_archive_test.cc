#include "checkpoint/zip_archive.h"

#include "support/errors.h"
#include "support/temp_folder.h"
#include "support/torch_file.h"

namespace falconer::test {
namespace {

constexpr size_t kNoLimit = SIZE_MAX;

class Zip : public ::testing::Test {
 protected:
  /// The content of the entry `name`; `copied` says whether it is a copy.
  std::string read(const std::string& name, size_t limit = kNoLimit, size_t alignment = 1) {
    const ZipArchive archive(std::make_shared<const MappedFile>(path));
    std::shared_ptr<const void> owner;
    const auto bytes = archive.read(name, alignment, limit, owner);
    copied = owner != nullptr;
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string refused(const std::string& name, size_t limit = kNoLimit) {
    return message_of([&] { read(name, limit); });
  }

  TempFolder folder;
  std::filesystem::path path = folder / "x.zip";
  bool copied = false;
};

TEST_F(Zip, StoredEntriesAreUsedInPlace) {
  write_zip(path, {{"a", "first"}, {"b/c", "second"}, {"empty", ""}});
  EXPECT_EQ(read("b/c"), "second");
  EXPECT_FALSE(copied);
  EXPECT_EQ(read("b/c", 0), "second") << "the limit is one for copies";
  EXPECT_EQ(read("empty"), "");
  EXPECT_EQ(read("a", kNoLimit, size_t{1} << 40), "first");
  EXPECT_TRUE(copied) << "no map lies at a multiple of that";
  EXPECT_EQ(ZipArchive(std::make_shared<const MappedFile>(path)).names().size(), 3u);
}

TEST_F(Zip, CompressedEntriesAreCopiesWithinTheLimit) {
  const std::string zeros(1 << 20, 0);
  write_zip(path, {{"zeros", zeros}, {"a", "first"}}, true);
  EXPECT_EQ(read("zeros"), zeros);
  EXPECT_TRUE(copied);
  expect_mentions(refused("zeros", zeros.size() - 1), {"x.zip", "\"zeros\"", "1048576", "1048575"});
}

TEST_F(Zip, ALyingSizeIsAnError) {
  const std::string zeros(100'000, 0);
  const auto size = [](uint32_t value) { return bytes_of(value); };
  for (const uint32_t lie : {99'999u, 100'001u}) {
    write_zip(path, {{"zeros", zeros}}, true);
    replace_in_file(path, size(100'000), size(lie));
    EXPECT_THROW(read("zeros"), Error) << lie;
  }
}

TEST_F(Zip, DamageIsFoundInCopies) {
  std::string noise;
  for (uint32_t i = 0; i < 5000; ++i) noise += bytes_of(i * 2654435761u);
  write_zip(path, {{"noise", noise}});
  replace_in_file(path, noise.substr(4000, 8), "12345678");
  expect_mentions(message_of([&] { read("noise", kNoLimit, size_t{1} << 40); }), {"damaged"});
}

TEST_F(Zip, RefusesDoubledAndMissingEntries) {
  write_zip(path, {{"aa", "1"}, {"ab", "2"}});
  expect_mentions(refused("ac"), {"\"ac\""});
  replace_in_file(path, "ab", "aa");
  expect_mentions(refused("aa"), {"x.zip", "\"aa\""});
}

TEST_F(Zip, EveryTruncationIsAnError) {
  write_zip(path, {{"a", "first"}, {"b", "second"}});
  for (uintmax_t size = std::filesystem::file_size(path); size-- > 0;) {
    std::filesystem::resize_file(path, size);
    EXPECT_THROW(read("a"), Error) << size << " bytes";
  }
}

}  // namespace
}  // namespace falconer::test
