// Data: files of rows, in each format, read, rendered and tokenized.
#include "parquet/rows.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/formats.h"
#include "data/load.h"
#include "data/raw_rows.h"
#include "data/row_store.h"
#include "folder.h"
#include "targets.h"
#include "text.h"

namespace falconer::fuzz {
namespace {

constexpr int64_t kVocab = 257;

/// All that a command that reads data does with a file.
void load(const std::filesystem::path& path) {
  LoadOptions options{.vocab = kVocab, .skip_bad = true};
  options.encode.max_seq_length = 64;
  options.scratch = path.parent_path();
  DataReport report;
  try {
    load_rows(path, &byte_tokenizer(), options, report);
  } catch (const Error&) {
  }
}

/// Each row by every format's own parser, whatever its keys.
void parse_in_every_format(const std::filesystem::path& path) {
  read_raw_rows(
      path,
      [](const nlohmann::ordered_json& object, int64_t) {
        for (const std::string& name : data_format_names()) {
          try {
            RowContext context{.vocab = kVocab, .unread = {}};
            find_data_format(name)->parse(object, context);
          } catch (const Error&) {
          } catch (const nlohmann::json::exception&) {  // read_raw_rows calls the row bad
          }
        }
      },
      [](int64_t, const std::string&) {});
}

void read(const Folder& folder, const char* name, Input input) {
  const std::filesystem::path path = folder.put(name, input);
  load(path);
  if (path.extension() != ".txt") parse_in_every_format(path);
}

}  // namespace

void fuzz_rows_jsonl(Input input) {
  static const Folder folder("rows_jsonl");
  read(folder, "rows.jsonl", input);
}
void fuzz_rows_json(Input input) {
  static const Folder folder("rows_json");
  read(folder, "rows.json", input);
}
void fuzz_rows_csv(Input input) {
  static const Folder folder("rows_csv");
  read(folder, "rows.csv", input);
}
void fuzz_rows_txt(Input input) {
  static const Folder folder("rows_txt");
  read(folder, "rows.txt", input);
}

void fuzz_rows_encoded(Input input) {
  static const Folder folder("rows_encoded");
  constexpr const char* kEncodings[] = {"utf-16", "utf-16le", "latin1",    "cp1252",
                                        "gbk",    "utf-32",   "shift_jis", "utf-7"};
  if (input.size() < 2) return;
  const ReadAs as = read_as(input[1] == '{' ? "" : std::string(input.substr(1, 1)),
                            kEncodings[static_cast<unsigned char>(input[0]) % 8]);
  const auto path = folder.put(input[1] == '{' ? "rows.jsonl" : "rows.csv", input.substr(2));
  LoadOptions options{.vocab = kVocab, .skip_bad = true, .read_as = as};
  options.encode.max_seq_length = 64;
  options.scratch = path.parent_path();
  DataReport report;
  load_rows(path, &byte_tokenizer(), options, report);
}

void fuzz_rows_packed(Input input) {
  static const Folder folder("rows_packed");
  const bool gzip = input.starts_with("\x1f\x8b");
  read(folder, gzip ? "rows.jsonl.gz" : "rows.jsonl.zst", input);
}

// A few bytes may rightly stand for as many rows as there are numbers: a run of one value has its length
// alone. What is done with rows is not looked at again where they are many.
void fuzz_rows_parquet(Input input) {
  static const Folder folder("rows_parquet");
  constexpr int64_t kEnough = 2000;
  const auto path = folder.put("rows.parquet", input);
  const auto count = [](int64_t number) {
    if (number > kEnough) fail("enough");
  };
  parquet::read_rows(path, {.row = [&](const nlohmann::ordered_json&, int64_t n) { count(n); },
                            .bad = [&](int64_t n, const std::string&) { count(n); }});
  read(folder, "rows.parquet", input);
}

void fuzz_prepared(Input input) {
  static const Folder folder("prepared");
  folder.put("train.jsonl", "{\"input_ids\": [1, 2, 3]}\n");
  folder.put("prepare.json", input);
  LoadOptions options{.vocab = kVocab};
  options.scratch = folder.path();
  const LoadedData data = load_dataset(folder.path(), &byte_tokenizer(), options);
  if (!data.rendered.prompt_style.empty())
    PromptStyle::recorded(data.rendered.prompt_style, data.rendered.prompt_template, folder.path());
}

}  // namespace falconer::fuzz
