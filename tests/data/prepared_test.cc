// Rows of token ids know the tokenizer that they came from.
#include "data/prepared.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/made_checkpoint.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Rows prepared with the demo's tokenizer, and a model whose tokenizer has two tokens exchanged.
class Prepared : public ::testing::Test {
 protected:
  Prepared() {
    set_verbosity("quiet");
    for (const char* name : {"own", "other"}) {
      write_checkpoint(folder_ / name, {.shape = {.layers = 3, .vocab = 640},
                                        .config = {{"max_position_embeddings", 256}}});
      add_demo_tokenizer(folder_ / name);
    }
    const fs::path file = folder_ / "other" / "tokenizer.json";
    json tokenizer = json::parse(read_text_file(file));
    json& vocab = tokenizer["model"]["vocab"];
    std::swap(vocab["a"], vocab["b"]);
    write_file(file, tokenizer.dump());
    json rows = json::array();
    for (int i = 0; i < 20; ++i)
      rows.push_back({{"instruction", fmt::format("Say {}", i)}, {"output", "a word"}});
    write_file(folder_ / "rows.json", rows.dump());
    PrepareOptions options;
    options.input = path("rows.json");
    options.out = path("rows");
    options.checkpoint = path("own");
    options.test_size = 5;
    prepare(options);
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  FinetuneOptions options(const std::string& checkpoint, const std::string& data) const {
    FinetuneOptions o;
    o.checkpoint = path(checkpoint);
    o.data = path(data);
    o.out = path("out");
    o.max_steps = 1;
    o.batch_size = 4;
    o.overwrite = true;
    return o;
  }

  /// Each command that reads rows of ids, on that checkpoint and data.
  std::vector<std::function<void()>> readers(const std::string& checkpoint, const std::string& data,
                                             bool any) const {
    FinetuneOptions tune = options(checkpoint, data);
    tune.any_base = any;
    const std::string file = path(fs::is_directory(path(data)) ? data + "/test.jsonl" : data);
    return {
        [=] { finetune(tune); }, [=] { plan(tune); },
        [=, this] { check({.checkpoint = path(checkpoint), .data = path(data), .any_base = any}); },
        [=, this] {
          score({.checkpoint = path(checkpoint),
                 .data = file,
                 .output = path("scores"),
                 .any_base = any});
        },
        [=, this] {
          evaluate({.model = {.checkpoint = path(checkpoint), .any_base = any},
                    .data = file,
                    .limit = 1});
        }};
  }

  TempFolder folder_;
};

TEST_F(Prepared, AnotherTokenizerIsRefusedByWhoeverReadsTheRows) {
  for (const char* data : {"rows", "rows/train.jsonl"})
    for (const auto& read : readers("other", data, false))
      expect_mentions(message_of(read), {"another tokenizer", "own", "prepare", "--any-base"});
  for (const auto& read : readers("other", "rows", true)) EXPECT_NO_THROW(read());
  for (const auto& read : readers("own", "rows", false)) EXPECT_NO_THROW(read());
}

TEST_F(Prepared, FoldersFromBeforeAndOtherRowsGoOn) {
  const fs::path record = folder_ / "rows" / "prepare.json";
  json old = json::parse(read_text_file(record));
  old.erase("tokenizer");
  old.erase("checkpoint");
  write_file(record, old.dump());
  for (const auto& read : readers("other", "rows", false)) EXPECT_NO_THROW(read());
  fs::copy_file(folder_ / "rows" / "train.jsonl", folder_ / "rows" / "mine.jsonl");
  EXPECT_FALSE(is_prepared(folder_ / "rows" / "mine.jsonl"));
  EXPECT_FALSE(is_prepared(folder_ / "rows.json"));
  EXPECT_TRUE(is_prepared(folder_ / "rows"));
}

}  // namespace
}  // namespace falconer::test
