// Rows of token ids with labels, and what they were made from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace falconer {

inline constexpr int32_t kIgnoredLabel = -100;

/// One training sequence. labels[i] belongs to ids[i]; the model learns to predict labels[i + 1] at
/// position i.
struct Row {
  std::vector<int32_t> ids;
  std::vector<int32_t> labels;  // same length; kIgnoredLabel where there is nothing to learn
  int64_t line = 0;             // of the file, where the row begins; from 1

  /// Next tokens with a label: labels[1..] that are not ignored.
  int64_t targets() const;
};

/// A row before it is tokenized: an instruction to be rendered by a prompt style, or a prompt as it
/// stands.
struct Example {
  std::string instruction, input, output;
  bool rendered = false;  // `instruction` is the whole prompt already
  int64_t line = 0;
};

struct EncodeOptions {
  std::string prompt_style = "alpaca";
  bool mask_prompt = true;          // learn the answer only
  bool joint_tokenization = false;  // prompt + answer in one go, as Lit-Parrot of June 2023
  bool append_eos = true;
  bool keep_eos = true;  // a truncated row still ends with end-of-text
  int64_t max_seq_length = 2048;
};

}  // namespace falconer
