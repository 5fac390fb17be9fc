// A dataset from a file or a folder, checked row by row, with a report of what was found.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace falconer {

class Tokenizer;

struct LoadOptions {
  EncodeOptions encode;
  int64_t vocab = 0;  // ids are below it
  // Rows of a single file that are held out, by the seeded split of torch. Absent: 2000, or a tenth
  // of the rows where that is less.
  std::optional<int64_t> test_size = 0;
  uint64_t split_seed = 42;
  bool skip_bad = false;  // leave bad rows out and count them, instead of stopping at the first
};

/// What was found, for people and for refusing what cannot be trained on.
struct DataReport {
  int64_t rows = 0, truncated = 0, without_targets = 0, duplicates = 0, bad = 0;
  int64_t tokens = 0, targets = 0, longest = 0;
  std::string first_bad;                  // "line 7: ..."
  std::vector<int64_t> length_histogram;  // bucket i counts lengths in [2^i, 2^(i+1))
};

struct LoadedData {
  std::vector<Row> rows, held_out;
  DataReport report, held_out_report;
  std::string prompt_style;  // "" for rows that were token ids already and say nothing
};

/// `path`: a .json, .jsonl or .csv file, or a folder with train.* and, held out, test.*, val.* or
/// validation.*. `tokenizer` may be null where all rows are token ids. A prepared folder's recorded
/// prompt style is returned. Errors: no rows, no targets at all, a bad row (file and line named), a
/// test size that leaves nothing to train on.
LoadedData load_dataset(const std::filesystem::path& path, const Tokenizer* tokenizer,
                        const LoadOptions& options);

/// One file's rows in order, without splitting: what `prepare` and load_dataset share.
std::vector<Row> load_rows(const std::filesystem::path& file, const Tokenizer* tokenizer,
                           const LoadOptions& options, DataReport& report,
                           bool* had_text = nullptr);

}  // namespace falconer
