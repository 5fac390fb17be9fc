#include "data/prepare.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/threads.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

using nlohmann::json;

TEST(Prepare, WritesTheSameBytesAtAnyThreadCount) {
  const TempFolder folder;
  const Tokenizer tokenizer = Tokenizer::load(std::string(source_dir()) + "/demo/checkpoint");
  json rows = json::array();
  for (int i = 0; i < 9000; ++i)  // more than are written at a time
    rows.push_back({{"instruction", fmt::format("Count to {}.", i)},
                    {"input", i % 3 == 0 ? "With words." : ""},
                    {"output", i % 7 == 0 ? "" : fmt::format("... {}", i)}});
  write_file(folder / "rows.json", rows.dump());
  const auto prepared = [&](int threads, const char* out) {
    set_thread_count(threads);
    PrepareSettings settings{.input = folder / "rows.json", .out = folder / out};
    settings.load.vocab = tokenizer.vocab_size();
    settings.load.test_size = 100;
    return prepare_dataset(settings, tokenizer);
  };
  const int threads = thread_count();
  const LoadedData data = prepared(1, "one");
  prepared(3, "three");
  set_thread_count(threads);
  for (const char* name : {"train.jsonl", "test.jsonl", "prepare.json"})
    EXPECT_EQ(read_text_file(folder / "one" / name), read_text_file(folder / "three" / name));

  std::ifstream file(folder / "one" / "train.jsonl");
  size_t i = 0;
  for (std::string line; std::getline(file, line); ++i) {
    const json row = json::parse(line);
    const Row written = data.rows()[static_cast<int64_t>(i)];
    ASSERT_EQ(row["input_ids"], json(written.ids)) << i;
    ASSERT_EQ(row["labels"], json(written.labels)) << i;
    if (i == 0) {
      EXPECT_EQ(line, row.dump()) << "no blanks, this order of keys";
    }
  }
  EXPECT_EQ(i, 8900u);
}

}  // namespace
}  // namespace falconer::test
