// What Lit-Parrot's and LitGPT's data preparation got wrong: see docs/defects.md.
#include "data/encode.h"

#include <gtest/gtest.h>

#include <clocale>

#include "support/errors.h"
#include "support/paths.h"
#include "support/tiny_session.h"
#include "text/prompt_encoder.h"

namespace falconer::test {
namespace {

std::string demo_checkpoint() { return std::string(source_dir()) + "/demo/checkpoint"; }

// Keeps out defect 25 of docs/defects.md: a row that is cut still teaches where to stop.
TEST(Defects, ARowThatIsCutKeepsItsEndOfText) {
  const Tokenizer tokenizer = Tokenizer::load(demo_checkpoint());
  ASSERT_TRUE(tokenizer.eos_id());
  const Example example = Example::of("Where is the owl?", "",
                                      "The owl sings near the lake. The owl sings near the lake.");
  const PromptStyle style = PromptStyle::named("alpaca");
  const PromptEncoder encoder(tokenizer, style);
  EncodeOptions options;
  const auto encoded = [&] { return encode_example(example, tokenizer, encoder, options); };
  const Row whole = encoded().rows.at(0);
  EXPECT_EQ(whole.ids.back(), tokenizer.eos_id());
  options.max_seq_length = std::ssize(whole.ids) - 5;
  const EncodedRows cut = encoded();
  EXPECT_GT(cut.lost, 0);
  EXPECT_EQ(std::ssize(cut.rows.at(0).ids), options.max_seq_length);
  EXPECT_EQ(cut.rows.at(0).ids.back(), tokenizer.eos_id());
  EXPECT_EQ(cut.rows.at(0).labels.back(), tokenizer.eos_id());
  options.keep_eos = false;
  EXPECT_NE(encoded().rows.at(0).ids.back(), tokenizer.eos_id());
}

// Keeps out defect 25 of docs/defects.md: text is UTF-8 wherever the program runs.
TEST(Defects, TextIsUtf8InEveryLocale) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  std::setlocale(LC_ALL, "C");
  const Tokenizer tokenizer = Tokenizer::load(demo_checkpoint());
  const TempFolder folder;
  const std::string answer = "na\u00efve \u2713 \U0001F999 \u65e5\u672c";
  write_file(folder / "rows.json", "[{\"instruction\":\"x\",\"output\":\"" + answer + "\"}]");
  write_file(folder / "rows.csv", "instruction,output\nx,\"" + answer + "\"\n");
  for (const char* file : {"rows.json", "rows.csv"}) {
    DataReport report;
    const auto rows = load_rows(folder / file, &tokenizer,
                                {.encode = {}, .vocab = tokenizer.vocab_size()}, report);
    ASSERT_EQ(rows->size(), 1);
    const std::string text = tokenizer.decode(rows->at(0).ids, true);
    EXPECT_TRUE(text.ends_with(answer)) << text;
  }
  std::setlocale(LC_ALL, before.c_str());
}

// Keeps out defect 25 of docs/defects.md: 2,000 rows cannot be held out of 40.
TEST(Defects, WhatIsHeldOutFitsSmallData) {
  const TempFolder folder;
  const auto write = [&](int count) {
    std::string rows;
    for (int i = 0; i < count; ++i)
      rows += fmt::format("{{\"instruction\":\"say {}\",\"output\":\"{}\"}}\n", i, i);
    write_file(folder / "rows.jsonl", rows);
  };
  PrepareOptions options{.input = (folder / "rows.jsonl").string(),
                         .checkpoint = demo_checkpoint(),
                         .out = (folder / "out").string()};
  write(200);
  expect_mentions(prepare(options).text, {"train: 180 rows, test: 20 rows"});
  write(40);
  expect_mentions(prepare(options).text, {"train: 40 rows, test: 0 rows"});
  options.test_size = 40;
  expect_mentions(message_of([&] { prepare(options); }), {"40", "--test-size"});
}

}  // namespace
}  // namespace falconer::test
