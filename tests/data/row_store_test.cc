// Rows that lie in memory or in a file come back as they were.
#include "data/row_store.h"

#include <gtest/gtest.h>

#include <random>

#include "base/file.h"
#include "data/load.h"
#include "data/split.h"
#include "support/chat_checkpoint.h"
#include "support/errors.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

std::vector<Row> some_rows(int count) {
  std::mt19937 numbers(1);
  std::vector<Row> rows;
  for (int i = 0; i < count; ++i) {
    Row row{.line = i + 1};
    const size_t length = 1 + numbers() % 50;
    for (size_t k = 0; k < length; ++k) {
      const int32_t id = static_cast<int32_t>(numbers() % 1000);
      row.ids.push_back(id);
      // Learned in spans, ignored, or (in every fifth row) labels that are no ids.
      const bool learned = (k / 3 + i) % 2 == 0;
      row.labels.push_back(!learned ? kIgnoredLabel : i % 5 == 0 ? id + 1 : id);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

TEST(RowStore, GivesBackWhatWasAdded) {
  const std::vector<Row> rows = some_rows(500);
  for (const size_t bytes : {size_t{1} << 20, size_t{5000}, size_t{0}}) {
    const TempFolder folder;
    RowStore store(folder.path(), bytes);
    for (const Row& row : rows) store.add(row);
    EXPECT_EQ(folder.entries(), 0u) << "its file has no name";
    ASSERT_EQ(store.size(), 500);
    for (int64_t i = 499; i >= 0; --i) {
      const Row& want = rows[static_cast<size_t>(i)];
      const Row got = store[i];
      ASSERT_EQ(got.ids, want.ids);
      ASSERT_EQ(got.labels, want.labels) << i;
      ASSERT_EQ(got.line, want.line);
      ASSERT_EQ(store.length(i), std::ssize(want.ids));
      ASSERT_EQ(store.targets(i), want.targets());
    }
  }
}

TEST(RowStore, AFolderThatCannotBeWrittenIsNamed) {
  RowStore store("/nonexistent", 0);
  expect_mentions(message_of([&] { store.add({.ids = {1}, .labels = {1}}); }),
                  {"/nonexistent", "do not fit in memory"});
}

TEST(RowStore, AViewHasItsOrder) {
  const std::vector<Row> rows = some_rows(5);
  const TempFolder folder;
  RowStore store(folder.path());
  for (const Row& row : rows) store.add(row);
  const std::vector<int64_t> order = {3, 0};
  const RowView view(store, order), of_vector(rows);
  ASSERT_EQ(view.size(), 2);
  EXPECT_EQ(view[0].ids, rows[3].ids);
  EXPECT_EQ(view.line(1), 1);
  EXPECT_EQ(of_vector.length(4), std::ssize(rows[4].ids));
  EXPECT_TRUE(RowView().empty());
}

// The seeded split of torch, whether rows fit in memory or not.
TEST(RowStore, TheSplitIsTheSameForRowsThatDoNotFit) {
  const TempFolder folder;
  write_chat_checkpoint(folder.path(), "");
  const Tokenizer tokenizer = Tokenizer::load(folder.path());
  std::string lines;
  for (int i = 0; i < 3000; ++i)
    lines += fmt::format("{{\"prompt\":\"say {}\",\"completion\":\"{}\"}}\n", i, i * i);
  write_file(folder / "rows.jsonl", lines);
  LoadOptions options{.encode = {}, .vocab = tokenizer.vocab_size(), .test_size = 300};
  const LoadedData fits = load_dataset(folder / "rows.jsonl", &tokenizer, options);
  options.memory_bytes = 1000;
  options.scratch = folder.path();
  const LoadedData spills = load_dataset(folder / "rows.jsonl", &tokenizer, options);
  const std::vector<int64_t> order = torch_randperm(3000, 42);
  ASSERT_EQ(spills.rows().size(), 2700);
  ASSERT_EQ(spills.held_out().size(), 300);
  for (int64_t i = 0; i < 2700; ++i) {
    ASSERT_EQ(spills.rows()[i].ids, fits.rows()[i].ids);
    ASSERT_EQ(spills.rows().line(i), order[static_cast<size_t>(i)] + 1);
  }
  for (int64_t i = 0; i < 300; ++i)
    ASSERT_EQ(spills.held_out().line(i), order[static_cast<size_t>(2700 + i)] + 1);
}

}  // namespace
}  // namespace falconer::test
