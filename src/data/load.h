// A dataset from a file or a folder, checked row by row, with a report of what was found.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/read_as.h"
#include "data/row_store.h"
#include "text/prompt.h"

namespace falconer {

class Tokenizer;
struct RowWatch;

struct LoadOptions {
  // Rows in memory, in the place of a file: a JSON array, or JSON lines. The path is what errors call them.
  std::optional<std::string_view> text;
  EncodeOptions encode;
  int64_t vocab = 0;  // ids are below it
  // Rows of a single file that are held out, by the seeded split of torch. Absent:
  // default_test_size().
  std::optional<int64_t> test_size = 0;
  uint64_t split_seed = 42;
  bool skip_bad = false;  // leave bad rows out and count them, instead of stopping at the first
  std::string columns;    // "instruction=question": see Columns; empty: guessed from the first row
  bool strict_columns = false;   // columns that nothing reads are an error
  ReadAs read_as;                // of a file: its delimiter and encoding
  std::string format;            // see data_format_names(); empty: the first row's
  std::string prompt_style;      // empty: alpaca for Alpaca's rows; for turns the checkpoint's chat
                                 // template, or falcon where it has none
  TemplateFiles checkpoint{{}};  // whose chat template is meant
  std::filesystem::path scratch;  // a folder for rows that do not fit in memory_bytes; empty: the
  size_t memory_bytes = size_t{64} << 20;  // system's for temporary files
  const RowWatch* watch = nullptr;         // who looks at rows while they are loaded; see examine.h
  bool must_teach = true;                  // no rows, or none with a token to learn, is an error
};

/// What was found, for people and for refusing what cannot be trained on.
struct DataReport {
  int64_t rows = 0, truncated = 0, without_targets = 0, duplicates = 0, bad = 0;
  int64_t tokens = 0, targets = 0, longest = 0;
  std::string first_bad;  // "line 7: ..."; or "row 7: ..."
  std::string columns;    // "instruction=question (guessed)"; empty: as formats have
  std::map<std::string, int64_t> unread;  // columns that say something and that nothing reads: rows
  int64_t spelled = 0;                    // that spell special tokens, which are learned as text
  int64_t json_answers = 0;               // that are no text, and were taken as their JSON
  std::vector<std::string> unread_files;  // of the data folder
  std::vector<int64_t> length_histogram;  // bucket i counts lengths in [2^i, 2^(i+1))
};

/// How rows were rendered; all empty for rows that were token ids already and say nothing.
struct RenderedAs {
  std::string format, prompt_style, prompt_template;
};

/// The rows of one file, or a part of them.
struct RowPart {
  std::unique_ptr<RowStore> store;            // null where another part has them
  const RowStore* rows = nullptr;             // null: none
  std::optional<std::vector<int64_t>> order;  // absent: all, as they stand

  RowView view() const;
};

struct LoadedData {
  RowPart train, test;
  DataReport report, held_out_report;
  RenderedAs rendered;

  RowView rows() const { return train.view(); }
  RowView held_out() const { return test.view(); }
};

/// `path`: a file of rows (base/row_file.h), a .txt file, or a folder as find_splits() reads it. `tokenizer` may
/// be null where all rows are token ids. What a prepared folder recorded is returned. Errors: no rows, no targets
/// at all, a bad row (file and line named), a test size that leaves nothing to train on.
LoadedData load_dataset(const std::filesystem::path& path, const Tokenizer* tokenizer,
                        const LoadOptions& options);

/// One file's rows in order, without splitting: what `prepare` and load_dataset share.
std::unique_ptr<RowStore> load_rows(const std::filesystem::path& file, const Tokenizer* tokenizer,
                                    const LoadOptions& options, DataReport& report,
                                    RenderedAs* rendered = nullptr);
/// Those of several files, one after the other. Rows are counted through all of them; errors name the file and
/// its own row.
std::unique_ptr<RowStore> load_files(const std::vector<std::filesystem::path>& files,
                                     const Tokenizer* tokenizer, const LoadOptions& options,
                                     DataReport& report, RenderedAs* rendered = nullptr);

}  // namespace falconer
