// Downloads that go well: what is where afterwards, and what is not fetched again.
#include "hub/download.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <future>
#include <thread>

#include "support/hub_fixture.h"

namespace falconer::hub {
namespace {

namespace fs = std::filesystem;
using test::FakeHub;
using test::noise;

class HubDownload : public test::HubFixture {
 protected:
  HubDownload() : commit_(hub_.add("org/model", test::model_files())) {}
  std::string commit_;
};

TEST_F(HubDownload, FillsTheCacheInHuggingfaceHubsLayout) {
  const Download got = get("org/model");
  EXPECT_EQ(got.commit, commit_);
  EXPECT_EQ(got.folder, repo_folder() / "snapshots" / commit_);
  EXPECT_EQ(read_text_file(repo_folder() / "refs/main"), commit_);
  auto wanted = test::model_files();
  for (const char* unused : {"pytorch_model.bin", "README.md", "onnx/model.onnx"}) {
    EXPECT_FALSE(fs::exists(got.folder / unused));
    wanted.erase(unused);
  }
  ASSERT_EQ(got.files.size(), wanted.size());
  EXPECT_EQ(blobs().size(), wanted.size());
  uint64_t bytes = 0;
  for (const auto& [path, file] : wanted) {
    EXPECT_EQ(read_text_file(got.folder / path), file.content) << path;
    EXPECT_EQ(fs::read_symlink(got.folder / path), fs::path("../../blobs") / file.hash()) << path;
    bytes += file.content.size();
  }
  EXPECT_EQ(got.received, bytes);
  EXPECT_TRUE(fs::exists(repo_folder() / ".no_exist" / commit_ / "generation_config.json"));
}

TEST_F(HubDownload, FetchesNothingTwice) {
  get("org/model");
  const size_t asked = hub_.requests().size();
  const Download again = get("org/model");
  EXPECT_EQ(again.received, 0u);
  EXPECT_EQ(hub_.requests().size(), asked + 1);  // the list
  for (const DownloadedFile& file : again.files) EXPECT_FALSE(file.fetched) << file.path;
}

TEST_F(HubDownload, ANewCommitSharesWhatDidNotChange) {
  get("org/model");
  auto files = test::model_files();
  files["config.json"].content = "{\"changed\": true}";
  const std::string later = hub_.add("org/model", files);
  const Download got = get("org/model");
  EXPECT_EQ(got.commit, later);
  EXPECT_EQ(got.received, files["config.json"].content.size());
  EXPECT_EQ(read_text_file(repo_folder() / "refs/main"), later);
  EXPECT_TRUE(fs::exists(repo_folder() / "snapshots" / commit_ / "config.json"));
  // The older commit is still there to be asked for.
  DownloadRequest pinned = request("org/model");
  pinned.repo.revision = commit_;
  EXPECT_EQ(download(settings(), pinned).received, 0u);
}

TEST_F(HubDownload, ARevisionMayHoldSlashes) {
  hub_.repo("org/model").revisions["refs/pr/1"] = commit_;
  DownloadRequest pull = request("org/model");
  pull.repo.revision = "refs/pr/1";
  EXPECT_EQ(download(settings(), pull).commit, commit_);
  EXPECT_EQ(read_text_file(repo_folder() / "refs/refs/pr/1"), commit_);
}

TEST_F(HubDownload, AsksForTheHashWhereTheListHasNone) {
  FakeHub mirror({.lists_hashes = false});
  mirror.add("org/model", test::model_files());
  const Download got = download(settings_for(mirror), request("org/model"));
  for (const DownloadedFile& file : got.files) {
    EXPECT_EQ(file.hash, test::model_files()[file.path].hash());
    EXPECT_EQ(read_text_file(got.folder / file.path), test::model_files()[file.path].content);
  }
}

TEST_F(HubDownload, TakesTheFilesThatAreNamed) {
  DownloadRequest some = request("org/model");
  some.selection.files = {"README.md", "onnx/model.onnx"};
  const Download got = download(settings(), some);
  EXPECT_EQ(got.files.size(), 2u);
  EXPECT_EQ(read_text_file(got.folder / "onnx/model.onnx"), noise(1000, 5));
  some.selection.files = {"none.bin"};
  test::expect_mentions(test::message_of([&] { download(settings(), some); }),
                        {"none.bin", "org/model", "README.md"});
  some.selection = {.files = {}, .include = {"*.gguf"}, .exclude = {}};
  test::expect_mentions(test::message_of([&] { download(settings(), some); }), {"--include"});
}

TEST_F(HubDownload, OfADatasetIsApart) {
  hub_.add("org/rows", {{"data/train.jsonl", {"{}\n"}}, {"README.md", {"x"}}}, true);
  DownloadRequest rows{.repo = {.kind = RepoKind::kDataset, .id = "org/rows"},
                       .selection = {.purpose = Selection::Purpose::kData}};
  const Download got = download(settings(), rows);
  EXPECT_EQ(got.folder.parent_path().parent_path(), folder_ / "hub/datasets--org--rows");
  EXPECT_EQ(read_text_file(got.folder / "data/train.jsonl"), "{}\n");
}

TEST_F(HubDownload, OddNamesAndEmptyFilesCome) {
  hub_.add("org/odd",
           {{"a folder/x#1?%.json", {"odd"}}, {"\xc3\xa4.json", {"umlaut"}}, {"empty", {""}}});
  DownloadRequest all = request("org/odd");
  all.selection.include = {"*"};
  const Download got = download(settings(), all);
  EXPECT_EQ(read_text_file(got.folder / "a folder/x#1?%.json"), "odd");
  EXPECT_EQ(read_text_file(got.folder / "\xc3\xa4.json"), "umlaut");
  EXPECT_EQ(read_text_file(got.folder / "empty"), "");
}

TEST_F(HubDownload, TheTokenGoesToTheHubAlone) {
  Settings s = settings();
  s.token = "hf_secret";
  download(s, request("org/model"));
  size_t to_store = 0;
  for (const test::FakeRequest& asked : hub_.requests()) {
    EXPECT_EQ(asked.header("authorization"), asked.to_store ? "" : "Bearer hf_secret");
    to_store += asked.to_store;
  }
  EXPECT_EQ(to_store, 2u);
}

TEST_F(HubDownload, TwoAtOnceFetchEachFileOnce) {
  hub_.set_gate(
      [](const test::FakeRequest&, uint64_t, size_t size) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        return size;
      },
      1 << 12);
  // What either of them throws is seen once both have ended.
  auto other = std::async(std::launch::async, [&] { return get("org/model"); });
  auto mine = std::async(std::launch::async, [&] { return get("org/model"); });
  other.wait();
  const Download got = mine.get();
  EXPECT_EQ(other.get().folder, got.folder);
  EXPECT_EQ(read_text_file(got.folder / "model.safetensors"), noise(300000, 3));
  EXPECT_EQ(hub_.sent("/" + test::model_files()["model.safetensors"].hash()), 300000u);
}

TEST_F(HubDownload, ABlobOfTheWrongSizeIsFetchedAgain) {
  get("org/model");
  const std::string hash = test::model_files()["model.safetensors"].hash();
  fs::resize_file(blob(hash), 1000);
  EXPECT_EQ(get("org/model").received, 300000u);
  EXPECT_EQ(read_text_file(blob(hash)), noise(300000, 3));
}

TEST_F(HubDownload, ALocalFolderGetsRealFiles) {
  DownloadRequest local = request("org/model");
  local.local_dir = folder_ / "mine";
  const Download got = download(settings(), local);
  EXPECT_EQ(got.folder, folder_ / "mine");
  EXPECT_FALSE(fs::exists(folder_ / "hub" / "models--org--model" / "blobs"));
  for (const DownloadedFile& file : got.files) {
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(got.folder / file.path))) << file.path;
    EXPECT_EQ(read_text_file(got.folder / file.path), test::model_files()[file.path].content);
  }
  const std::string note =
      read_text_file(folder_ / "mine/.cache/huggingface/download/config.json.metadata");
  EXPECT_TRUE(note.starts_with(commit_ + "\n" + test::model_files()["config.json"].hash() + "\n"));
  EXPECT_EQ(download(settings(), local).received, 0u);
}

TEST_F(HubDownload, ALocalFolderKeepsWhatItHasAndReplacesWhatIsAnothersOnlyWhenAsked) {
  DownloadRequest local = request("org/model");
  local.local_dir = folder_ / "mine";
  make_folder(local.local_dir);
  write_file(folder_ / "mine/model.safetensors", noise(300000, 3));  // brought by hand
  write_file(folder_ / "mine/tokenizer.json", noise(30000, 9));      // another one
  EXPECT_THROW(download(settings(), local), Error);
  EXPECT_EQ(read_text_file(folder_ / "mine/tokenizer.json"), noise(30000, 9));
  EXPECT_FALSE(fs::exists(folder_ / "mine/config.json")) << "before anything is fetched";
  local.overwrite = true;
  const Download got = download(settings(), local);
  EXPECT_EQ(hub_.sent(test::model_files()["model.safetensors"].hash()), 0u);
  EXPECT_EQ(read_text_file(got.folder / "tokenizer.json"), noise(30000, 2));
  // What came from the hub is replaced by what the hub has now, unless it was changed since.
  local.overwrite = false;
  auto files = test::model_files();
  files["tokenizer.json"].content = noise(30000, 4);
  hub_.add("org/model", files);
  EXPECT_NO_THROW(download(settings(), local));
  EXPECT_EQ(read_text_file(got.folder / "tokenizer.json"), noise(30000, 4));
}

TEST_F(HubDownload, ALocalFolderTakesWhatTheCacheHas) {
  get("org/model");
  DownloadRequest local = request("org/model");
  local.local_dir = folder_ / "mine";
  EXPECT_EQ(download(settings(), local).received, 0u);
  EXPECT_EQ(read_text_file(folder_ / "mine/model.safetensors"), noise(300000, 3));
}

TEST_F(HubDownload, WithoutNetworkTheCacheSaysWhatItHas) {
  EXPECT_EQ(find_cached(settings(), request("org/model")).completeness, Completeness::kMissing);
  const Download got = get("org/model");
  const size_t asked = hub_.requests().size();
  const CachedDownload cached = find_cached(settings(), request("org/model"));
  EXPECT_EQ(cached.completeness, Completeness::kWhole);
  EXPECT_EQ(cached.download.folder, got.folder);
  EXPECT_EQ(cached.download.commit, commit_);
  EXPECT_EQ(cached.download.files.size(), got.files.size());
  DownloadRequest named = request("org/model");
  named.selection.files = {"config.json"};
  EXPECT_EQ(find_cached(settings(), named).completeness, Completeness::kWhole);
  named.selection.files = {"config.json", "README.md"};
  EXPECT_EQ(find_cached(settings(), named).completeness, Completeness::kMissing);
  EXPECT_EQ(hub_.requests().size(), asked);
}

// An older snapshot stays what the branch stands for until the newer one is whole.
TEST_F(HubDownload, TheBranchMovesWhenAllIsThere) {
  get("org/model");
  auto files = test::model_files();
  files["model.safetensors"].content = noise(300000, 7);
  hub_.add("org/model", files);
  hub_.set_trouble([](const test::FakeRequest& asked, test::FakeReply& reply) {
    if (asked.to_store) reply = {.status = 404};
  });
  test::message_of([&] { get("org/model"); });
  EXPECT_EQ(read_text_file(repo_folder() / "refs/main"), commit_);
  EXPECT_EQ(find_cached(settings(), request("org/model")).completeness, Completeness::kWhole);
}

}  // namespace
}  // namespace falconer::hub
