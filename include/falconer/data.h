// Rows of text and what they become: tokenized, prepared, checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "falconer/error.h"

namespace falconer {

struct TokenizeOptions {
  std::string checkpoint;      // folder with tokenizer.json
  std::string input, output;   // JSONL; "-": standard input or output
  bool decode = false;         // {"ids"} to {"text"} instead of {"text"} to {"ids"}
  bool chat = false;           // rows of messages (any data format) to {"text", "ids"}, as rendered
  bool overwrite = false;      // a file at `output` that Falconer did not write
  std::string prompt_style;    // with chat; empty: the checkpoint's chat template
  bool parse_special = false;  // with chat: special tokens in messages are control tokens
};
void tokenize(const TokenizeOptions& options);

/// "alpaca", "sharegpt", ...: formats that rows may have.
std::vector<std::string> data_formats();

struct PrepareOptions {
  std::string input;  // rows: JSON, JSONL, CSV, Parquet or plain text
  std::string checkpoint, out;
  std::string data_format;  // empty or "auto": the first row's
  /// "instruction=question,output=answer": columns that have other names than their format's, ours first.
  /// Empty: guessed from the first row, and said.
  std::string columns;
  bool strict_columns = false;  // columns that nothing reads are an error
  std::string
      delimiter;  // of a table's columns: one character or "tab"; empty: a comma, in .tsv a tab
  std::string encoding;  // of the file, as "latin1" or "utf-16"; empty: UTF-8
  std::string
      prompt_style;  // empty: alpaca for Alpaca's rows; for chats the checkpoint's template,
                     // or falcon where it has none
  std::optional<int64_t> test_size;  // as FinetuneOptions
  uint64_t seed = 42;
  bool mask_prompt = true;                // false is train_on = "everything"
  std::string train_on = "all-turns";     // or "last-turn", "everything"
  bool parse_special = false;             // special tokens in rows are control tokens
  std::string prompt_ending = "newline";  // or "colon"
  std::string tokenize = "separate";      // or "joint"
  int64_t max_seq_length = 2048;
  bool keep_eos = true;
  bool skip_bad = false;
  bool overwrite = false;  // files in `out` that Falconer did not write
};
struct PrepareReport {
  std::string text;  // for people
  std::string json;  // one object
};
/// Writes train.jsonl and test.jsonl. Error: one of them is what is read, or is there and is not
/// Falconer's own.
PrepareReport prepare(const PrepareOptions& options);

struct CheckOptions {
  std::string checkpoint, data;  // as FinetuneOptions: rows are read as finetune() reads them
  std::string data_format, prompt_style;
  std::string columns;  // as PrepareOptions
  bool strict_columns = false;
  std::string delimiter, encoding;  // as PrepareOptions
  std::string train_on = "all-turns";
  bool mask_prompt = true, parse_special = false;
  bool skip_bad = false;  // bad rows will be left out: they are warnings and no errors
  int64_t max_seq_length = 2048;
  std::optional<int64_t> test_size;
  uint64_t seed = 42;                         // of the split; finetune() takes 42
  std::optional<int64_t> batch_size, epochs;  // for the estimate of steps
  bool resize_embeddings = false;  // as FinetuneOptions: rows may have the tokenizer's ids
  /// Rows that one kind of error may concern: a count, or a share ("1%", "0.01").
  std::string max_bad = "0";
  bool strict = false;    // warnings count as errors do
  bool json = false;      // make CheckReport::json, which names every row
  bool any_base = false;  // rows that were prepared with another tokenizer, as FinetuneOptions
};
struct CheckFinding {
  std::string kind;      // "no-targets", ...
  std::string severity;  // "error", "warning", "note"
  int64_t rows = 0;
  // Of the first 1000: "7", or "train.jsonl:7" where there are several files; "row 7" or
  // "train.json:row 7" where a JSON array stands in one line, and in Parquet.
  std::vector<std::string> lines;
};
struct CheckReport {
  std::vector<CheckFinding> findings;  // errors first
  std::string text, json;
  std::string failure;  // what exceeds max_bad; empty: the data is fine
};
/// What is wrong with data, before anything is trained on it: rows with nothing to learn, repeats,
/// what is cut, held-out rows that are trained on, and so on. Writes nothing.
CheckReport check(const CheckOptions& options);

}  // namespace falconer
