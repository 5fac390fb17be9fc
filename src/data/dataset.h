// Rows of token ids with labels, from a file of examples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace falconer {

class Tokenizer;

inline constexpr int32_t kIgnoredLabel = -100;

/// One training sequence. labels[i] belongs to ids[i]; the model learns to predict labels[i + 1] at
/// position i.
struct Row {
  std::vector<int32_t> ids;
  std::vector<int32_t> labels;  // same length; kIgnoredLabel where there is nothing to learn
  int64_t line =
      0;  // where it stands in its file: line of JSONL and CSV, element of a JSON array; from 1

  /// Next tokens with a label: labels[1..] that are not ignored.
  int64_t targets() const;
};

/// An instruction row before it is tokenized.
struct Example {
  std::string instruction, input, output;
  int64_t line = 0;
};

struct Dataset {
  std::vector<Row> rows;
  std::vector<Example> examples;  // parallel to rows where the source was text, else empty
  std::filesystem::path file;
};

struct DataOptions {
  std::string prompt_style = "alpaca";
  bool mask_prompt = true;
  bool joint_tokenization =
      false;  // tokenize prompt + answer in one go, as Lit-Parrot of June 2023
  bool append_eos = true;
  bool keep_eos = true;  // a truncated row still ends with end-of-text
  int64_t max_seq_length = 2048;
  bool skip_bad = false;  // leave bad rows out and count them, instead of stopping at the first
};

/// What was found while reading; printed before anything is trained.
struct DataReport {
  int64_t rows = 0, truncated = 0, without_targets = 0, duplicates = 0, bad = 0;
  int64_t tokens = 0, target_tokens = 0, longest = 0;
  std::vector<int64_t> length_histogram;  // bucket i counts lengths in [2^i, 2^(i+1))
};

}  // namespace falconer
