// falconer prepare: what is written is what finetune would train on.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "api/common.h"
#include "base/utf8.h"
#include "data/load.h"
#include "data/report.h"
#include "support/errors.h"
#include "support/made_checkpoint.h"

namespace falconer::test {
namespace {

/// The longest row that prepare writes of one long text, its own words, and its JSON.
struct Prepared {
  size_t longest = 0;
  PrepareReport report;
};

Prepared prepared(const TempFolder& folder, int64_t asked) {
  nlohmann::json row = {{"instruction", "Say it."}, {"output", ""}};
  std::string words;
  for (int i = 0; i < 200; ++i) words += "the owl sings near the lake ";
  row["output"] = words;
  write_file(folder / "rows.jsonl", row.dump() + "\n" + row.dump() + "\n");
  PrepareOptions options;
  options.input = folder / "rows.jsonl";
  options.checkpoint = folder / "model";
  options.out = folder / "out";
  options.test_size = 0;
  options.prompt_style = "falcon";  // short
  options.max_seq_length = asked;
  Prepared made;
  made.report = prepare(options);
  std::ifstream file(folder / "out/train.jsonl");
  for (std::string line; std::getline(file, line);)
    made.longest = std::max(made.longest, nlohmann::json::parse(line)["input_ids"].size());
  return made;
}

TEST(Prepare, CutsRowsAtTheModelsContext) {
  const TempFolder folder;
  MadeCheckpoint made;
  made.shape.vocab = 640;
  made.config = {{"max_position_embeddings", 128}};
  write_checkpoint(folder / "model", made);
  add_demo_tokenizer(folder / "model");
  const Prepared cut = prepared(folder, 2048);
  EXPECT_EQ(cut.longest, 128u);
  expect_mentions(cut.report.text, {"cut at 128 tokens, the model's context"});
  EXPECT_EQ(nlohmann::json::parse(cut.report.json)["max_seq_length"], 128);
  const Prepared shorter = prepared(folder, 96);
  EXPECT_EQ(shorter.longest, 96u);
  EXPECT_EQ(shorter.report.text.find("context"), std::string::npos) << shorter.report.text;
  // A folder with a tokenizer alone has no context.
  std::filesystem::remove(folder / "model/config.json");
  EXPECT_GT(prepared(folder, 2048).longest, 128u);
}

/// A row whose characters are several tokens each, in the words of the demo's tokenizer.
class PrepareView : public ::testing::Test {
 protected:
  PrepareView() {
    MadeCheckpoint made;
    made.shape.vocab = 640;
    made.config = {{"max_position_embeddings", 1024}};
    write_checkpoint(folder / "model", made);
    add_demo_tokenizer(folder / "model");
    const nlohmann::json row = {{"instruction", "Übung 語"}, {"output", "no é, 漢字 \u0001 x"}};
    write_file(folder / "rows.jsonl", row.dump() + "\n");
  }

  TempFolder folder;
};

TEST_F(PrepareView, SplitCharactersAreBytesAndTheRestIsUtf8) {
  const std::string text = prepare({.input = folder / "rows.jsonl",
                                    .checkpoint = folder / "model",
                                    .out = folder / "out",
                                    .test_size = 0})
                               .text;
  EXPECT_EQ(valid_utf8_prefix(text), text.size());
  expect_mentions(text, {"<0xC3>][<0xA9>", "\\x01"});
  EXPECT_EQ(text.find("é"), std::string::npos);  // two tokens, which have half of it each
}

TEST_F(PrepareView, InALineOfItsOwnCharactersAreWhole) {
  DataReport report;
  const Tokenizer tokenizer = load_tokenizer((folder / "model").string());
  const auto store =
      load_rows(folder / "rows.jsonl", &tokenizer, {.encode = {}, .vocab = 640}, report);
  const std::string line = first_row_line(RowView(*store), tokenizer);
  EXPECT_EQ(valid_utf8_prefix(line), line.size());
  expect_mentions(line, {"é, 漢字 \\x01 x"});
  EXPECT_EQ(line.find("<0x"), std::string::npos) << line;
}

}  // namespace
}  // namespace falconer::test
