#include "hub/cache.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::hub {
namespace {

namespace fs = std::filesystem;
using Purpose = Selection::Purpose;
const std::string kCommit(40, 'c');

class HubCache : public ::testing::Test {
 protected:
  RepoCache cache(const std::string& revision = "main") const {
    return {folder_.path(), {.id = "org/name", .revision = revision}};
  }
  /// A file of the snapshot, as any program would have put it there.
  void add(const std::string& path, const std::string& content = "{}") const {
    const fs::path place = cache().snapshot(kCommit) / path;
    make_folder(place.parent_path());
    write_file(place, content);
  }
  Completeness complete(Purpose purpose) const { return completeness(cache(), kCommit, purpose); }
  test::TempFolder folder_;
};

TEST_F(HubCache, HasHuggingfaceHubsNames) {
  const RepoCache models = cache();
  EXPECT_EQ(models.blob("e"), folder_ / "models--org--name/blobs/e");
  EXPECT_EQ(models.lock("e"), folder_ / ".locks/models--org--name/e.lock");
  EXPECT_EQ(models.snapshot(kCommit), folder_ / "models--org--name/snapshots" / kCommit);
  const RepoCache rows(folder_.path(), {.kind = RepoKind::kDataset, .id = "org/rows"});
  EXPECT_EQ(rows.folder(), folder_ / "datasets--org--rows");
  EXPECT_THROW(cache("../../x"), Error);
}

TEST_F(HubCache, LinksAreRelativeAndReplaced) {
  make_folder(cache().folder() / "blobs");
  write_file(cache().blob("e1"), "one");
  write_file(cache().blob("e2"), "two");
  for (const char* path : {"config.json", "a/b/config.json"}) {
    cache().link(kCommit, path, "e1");
    cache().link(kCommit, path, "e1");
    const fs::path place = cache().snapshot(kCommit) / path;
    EXPECT_TRUE(fs::read_symlink(place).is_relative());
    EXPECT_EQ(read_text_file(place), "one");
    cache().link(kCommit, path, "e2");
    EXPECT_EQ(read_text_file(place), "two");
  }
  EXPECT_EQ(fs::read_symlink(cache().snapshot(kCommit) / "config.json"), "../../blobs/e2");
  EXPECT_EQ(cache().files(kCommit), (std::vector<std::string>{"a/b/config.json", "config.json"}));
}

TEST_F(HubCache, RemembersWhereARevisionWas) {
  EXPECT_EQ(cache().known_commit(), "");
  EXPECT_EQ(cache(kCommit).known_commit(), kCommit);
  cache().remember_commit(kCommit);
  cache("refs/pr/1").remember_commit(kCommit);
  cache(kCommit).remember_commit(kCommit);
  EXPECT_EQ(cache().known_commit(), kCommit);
  EXPECT_EQ(read_text_file(folder_ / "models--org--name/refs/main"), kCommit);
  EXPECT_EQ(read_text_file(folder_ / "models--org--name/refs/refs/pr/1"), kCommit);
  EXPECT_FALSE(fs::exists(folder_ / "models--org--name/refs" / kCommit));
  write_file(folder_ / "models--org--name/refs/main", "../../../etc");
  EXPECT_EQ(cache().known_commit(), "");
}

TEST_F(HubCache, AModelIsWholeWhenNothingIsUndecided) {
  EXPECT_EQ(complete(Purpose::kConfig), Completeness::kMissing);
  add("config.json");
  EXPECT_EQ(complete(Purpose::kConfig), Completeness::kWhole);
  EXPECT_EQ(complete(Purpose::kModel), Completeness::kMissing);
  EXPECT_EQ(complete(Purpose::kTokenizer), Completeness::kMissing);
  add("model.safetensors");
  EXPECT_EQ(complete(Purpose::kModel), Completeness::kUsable);
  add("tokenizer.json");
  add("tokenizer_config.json");
  EXPECT_EQ(complete(Purpose::kTokenizer), Completeness::kUsable);
  cache().mark_absent(kCommit, "generation_config.json");
  EXPECT_EQ(complete(Purpose::kModel), Completeness::kWhole);
  EXPECT_EQ(complete(Purpose::kTokenizer), Completeness::kWhole);
}

TEST_F(HubCache, AModelIsNotWholeWithoutOneOfItsShards) {
  for (const char* name :
       {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"})
    add(name);
  add("model.safetensors.index.json",
      R"({"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}})");
  add("m-1.safetensors");
  EXPECT_EQ(complete(Purpose::kModel), Completeness::kMissing);
  add("m-2.safetensors");
  EXPECT_EQ(complete(Purpose::kModel), Completeness::kWhole);
  add("model.safetensors.index.json", "[]");
  EXPECT_EQ(complete(Purpose::kModel), Completeness::kMissing);
}

TEST_F(HubCache, ALinkWithoutItsBlobIsNotThere) {
  make_folder(cache().snapshot(kCommit));
  fs::create_symlink("../../blobs/none", cache().snapshot(kCommit) / "config.json");
  EXPECT_EQ(complete(Purpose::kConfig), Completeness::kMissing);
  EXPECT_TRUE(cache().files(kCommit).empty());
}

TEST_F(HubCache, BelievesTheListThatHuggingfaceHubKeeps) {
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"}) add(name);
  EXPECT_EQ(complete(Purpose::kModel), Completeness::kUsable);
  make_folder(cache().folder() / "trees");
  const fs::path list = cache().folder() / "trees" / (kCommit + ".json");
  const std::string begin = R"({"format_version": 1, "files": {"config.json": {}, "README.md": {},
    "model.safetensors": {}, "tokenizer.json": {})";
  write_file(list, begin + "}}");
  EXPECT_EQ(complete(Purpose::kModel), Completeness::kWhole);
  write_file(list, begin + ", \"tokenizer_config.json\": {}}}");
  EXPECT_EQ(complete(Purpose::kModel), Completeness::kUsable);
  write_file(list, "no list");
  EXPECT_EQ(complete(Purpose::kModel), Completeness::kUsable);
}

TEST_F(HubCache, AnAdapterNeedsItsWeights) {
  add("adapter_config.json");
  EXPECT_EQ(complete(Purpose::kAdapter), Completeness::kMissing);
  add("adapter_model.safetensors");
  EXPECT_EQ(complete(Purpose::kAdapter), Completeness::kUsable);
  add("falconer.json");
  EXPECT_EQ(complete(Purpose::kAdapter), Completeness::kWhole);
}

}  // namespace
}  // namespace falconer::hub
