#include "data/load.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "data/encode.h"
#include "data/formats.h"
#include "data/raw_rows.h"
#include "data/split.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

uint64_t hash_of(const std::vector<int32_t>& ids) {
  uint64_t hash = 1469598103934665603u;  // FNV-1a
  for (int32_t id : ids) hash = (hash ^ static_cast<uint32_t>(id)) * 1099511628211u;
  return hash;
}

void count(const std::vector<Row>& rows, DataReport& report) {
  std::unordered_set<uint64_t> seen;
  for (const Row& row : rows) {
    const int64_t n = static_cast<int64_t>(row.ids.size()), targets = row.targets();
    ++report.rows;
    report.tokens += n;
    report.targets += targets;
    report.longest = std::max(report.longest, n);
    report.without_targets += targets == 0;
    report.duplicates += !seen.insert(hash_of(row.ids)).second;
    const size_t bucket = std::bit_width(static_cast<uint64_t>(std::max<int64_t>(n, 1))) - 1;
    if (report.length_histogram.size() <= bucket) report.length_histogram.resize(bucket + 1);
    ++report.length_histogram[bucket];
  }
}

// Tokenizing is the slow part and rows are independent: all cores, the same result as one.
int64_t encode_all(const std::vector<Example>& examples, const std::vector<size_t>& places,
                   const Tokenizer& tokenizer, const EncodeOptions& options,
                   std::vector<Row>& rows) {
  std::vector<char> truncated(examples.size(), 0);
  parallel_for(static_cast<int64_t>(examples.size()), 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      EncodedRow made = encode_example(examples[i], tokenizer, options);
      truncated[i] = made.truncated;
      rows[places[i]] = std::move(made.row);
    }
  });
  return std::count(truncated.begin(), truncated.end(), 1);
}

int64_t truncate(Row& row, const EncodeOptions& options, const Tokenizer* tokenizer) {
  const size_t most = static_cast<size_t>(options.max_seq_length);
  if (row.ids.size() <= most) return 0;
  // A row of ids that ended with end-of-text still does.
  const int32_t last = row.ids.back();
  const bool ended = options.keep_eos && tokenizer != nullptr && tokenizer->eos_id() == last;
  row.ids.resize(most);
  row.labels.resize(most);
  if (ended) row.labels.back() = row.ids.back() = last;
  return 1;
}

// The first of names x endings that is there.
std::optional<fs::path> find_split(const fs::path& folder,
                                   std::initializer_list<const char*> names) {
  for (const char* name : names)
    for (const char* ending : {".jsonl", ".json", ".csv"})
      if (fs::exists(folder / (std::string(name) + ending)))
        return folder / (std::string(name) + ending);
  return {};
}

void refuse_empty(const fs::path& file, const std::vector<Row>& rows, const DataReport& report) {
  if (rows.empty())
    fail("{}: holds no rows{}", file.string(),
         report.bad > 0 ? fmt::format(" ({} were bad, the first: {})", report.bad, report.first_bad)
                        : "");
  if (report.targets == 0)
    fail(
        "{}: none of its {} rows has a token to learn: all labels are -100, or every row was cut "
        "before its answer. "
        "Check the labels, or give a larger --max-seq-length",
        file.string(), rows.size());
}

std::string recorded_style(const fs::path& folder) {
  const fs::path path = folder / "prepare.json";
  if (!fs::exists(path)) return {};
  const auto json = nlohmann::json::parse(read_text_file(path), nullptr, false);
  if (!json.is_object()) fail("{}: is not a JSON object; run prepare again", path.string());
  return json.value("prompt_style", "");
}

}  // namespace

std::vector<Row> load_rows(const fs::path& file, const Tokenizer* tokenizer,
                           const LoadOptions& options, DataReport& report, bool* had_text) {
  std::vector<Row> rows;
  std::vector<Example> examples;
  std::vector<size_t> places;  // where each example's row goes
  const OnBadRow bad = [&](int64_t line, const std::string& what) {
    if (!options.skip_bad)
      fail("{}: line {}: {}; mend the row, or leave such rows out with --skip-bad", file.string(),
           line, what);
    if (report.bad++ == 0) report.first_bad = fmt::format("line {}: {}", line, what);
  };
  read_raw_rows(
      file,
      [&](const nlohmann::json& object, int64_t line) {
        ParsedRow parsed = parse_row(object, options.vocab);
        if (Row* row = std::get_if<Row>(&parsed)) {
          row->line = line;
          report.truncated += truncate(*row, options.encode, tokenizer);
          rows.push_back(std::move(*row));
          return;
        }
        if (tokenizer == nullptr)
          fail("holds text, and the checkpoint's folder has no tokenizer.json");
        examples.push_back(std::move(std::get<Example>(parsed)));
        examples.back().line = line;
        places.push_back(rows.size());
        rows.emplace_back();
      },
      bad);
  if (!examples.empty())
    report.truncated += encode_all(examples, places, *tokenizer, options.encode, rows);
  if (had_text != nullptr) *had_text = !examples.empty();
  std::erase_if(rows, [](const Row& row) { return row.ids.empty(); });
  count(rows, report);
  return rows;
}

LoadedData load_dataset(const fs::path& path, const Tokenizer* tokenizer,
                        const LoadOptions& options) {
  if (!fs::exists(path))
    fail("{}: no such file or folder; give --data a file of rows", path.string());
  if (options.encode.max_seq_length < 2)
    fail_usage("--max-seq-length is {}, expected 2 or more", options.encode.max_seq_length);
  LoadedData data;
  bool had_text = false;
  if (fs::is_directory(path)) {
    const auto train = find_split(path, {"train"});
    if (!train)
      fail("{}: expected train.jsonl, train.json or train.csv in this folder", path.string());
    data.rows = load_rows(*train, tokenizer, options, data.report, &had_text);
    refuse_empty(*train, data.rows, data.report);
    if (const auto test = find_split(path, {"test", "val", "validation"}))
      data.held_out = load_rows(*test, tokenizer, options, data.held_out_report);
    data.prompt_style = recorded_style(path);
  } else {
    std::vector<Row> all = load_rows(path, tokenizer, options, data.report, &had_text);
    refuse_empty(path, all, data.report);
    const int64_t n = static_cast<int64_t>(all.size());
    const int64_t test = options.test_size.value_or(std::min<int64_t>(2000, n / 10));
    if (test < 0 || test >= n)
      fail_usage(
          "{}: a test size of {} leaves nothing to train on: the file has {} rows; give a "
          "smaller --test-size",
          path.string(), test, n);
    if (test == 0) {
      data.rows = std::move(all);
    } else {
      const std::vector<int64_t> order = torch_randperm(n, options.split_seed);
      for (int64_t i = 0; i < n; ++i)
        (i < n - test ? data.rows : data.held_out).push_back(std::move(all[order[i]]));
    }
  }
  if (had_text) data.prompt_style = options.encode.prompt_style;
  return data;
}

}  // namespace falconer
