#include "checkpoint/zip_writer.h"

#include <gtest/gtest.h>
#include <zip.h>

#include "checkpoint/zip_archive.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

using ZipEntries = std::vector<std::pair<std::string, std::string>>;

class ZipWriterTest : public ::testing::Test {
 protected:
  void write(const ZipEntries& entries, uint64_t most32 = 0xFFFFFFFF) {
    ZipWriter writer(path, most32);
    for (const auto& [name, content] : entries) writer.add(name, content);
    writer.commit();
  }

  /// By libzip, which checks the format more strictly than most and compares checksums.
  ZipEntries read() {
    int why = 0;
    zip_t* archive = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &why);
    EXPECT_NE(archive, nullptr) << why;
    if (archive == nullptr) return {};
    ZipEntries entries;
    for (zip_int64_t i = 0; i < zip_get_num_entries(archive, 0); ++i) {
      zip_stat_t info;
      EXPECT_EQ(zip_stat_index(archive, static_cast<zip_uint64_t>(i), 0, &info), 0);
      std::string content(info.size + 1, 0);
      zip_file_t* file = zip_fopen_index(archive, static_cast<zip_uint64_t>(i), 0);
      EXPECT_EQ(zip_fread(file, content.data(), content.size()),
                static_cast<zip_int64_t>(info.size))
          << "read to the end: the checksum is right";
      zip_fclose(file);
      content.resize(info.size);
      entries.emplace_back(info.name, content);
    }
    zip_discard(archive);
    return entries;
  }

  TempFolder folder;
  std::filesystem::path path = folder / "x.zip";
};

const ZipEntries kThree = {
    {"a/first", "some content"}, {"a/empty", ""}, {"b", std::string(5000, 'x')}};

TEST_F(ZipWriterTest, LibzipReadsWhatWasWritten) {
  write(kThree);
  EXPECT_EQ(read(), kThree);
}

TEST_F(ZipWriterTest, SixtyFourBitFieldsAreReadToo) {
  // As if everything from 100 bytes on were beyond 4 GB: sizes, offsets, the directory.
  write(kThree, 100);
  EXPECT_EQ(read(), kThree);
}

TEST_F(ZipWriterTest, EntriesLieWhereTheyCanBeMapped) {
  for (const uint64_t most32 : {uint64_t{0xFFFFFFFF}, uint64_t{100}}) {
    write(kThree, most32);
    const ZipArchive archive(std::make_shared<const MappedFile>(path));
    for (const auto& [name, content] : kThree) {
      std::shared_ptr<const void> owner;
      const auto bytes = archive.read(name, 64, 1 << 20, owner);
      EXPECT_EQ(owner, nullptr) << name << " was copied, so it was not at a multiple of 64 bytes";
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), content);
    }
  }
}

TEST_F(ZipWriterTest, TheSameContentGivesTheSameBytes) {
  write(kThree);
  const std::string first = read_text_file(path);
  write(kThree);
  EXPECT_EQ(read_text_file(path), first) << "no time of day is in it";
}

TEST_F(ZipWriterTest, WrongUseIsFound) {
  ZipWriter writer(path);
  writer.begin("a", 4);
  writer.write("abc", 3);
  EXPECT_THROW(writer.end(), InternalError) << "too short";
  EXPECT_THROW(writer.write("de", 2), InternalError) << "too long";
  EXPECT_THROW(writer.commit(), InternalError) << "an entry is open";
  EXPECT_EQ(folder.entries(), 1u) << "the partial file alone";
}

}  // namespace
}  // namespace falconer::test
