// Rows of token ids with labels, and what they were made from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/conversation.h"

namespace falconer {

inline constexpr int32_t kIgnoredLabel = -100;

/// One training sequence. labels[i] belongs to ids[i]; the model learns to predict labels[i + 1] at
/// position i.
struct Row {
  std::vector<int32_t> ids;
  std::vector<int32_t> labels;  // same length; kIgnoredLabel where there is nothing to learn
  int64_t line = 0;             // of the file, where the row begins; from 1. Or see counted_by()

  /// Next tokens with a label: labels[1..] that are not ignored.
  int64_t targets() const;
};

/// A row before it is tokenized.
struct Example {
  Conversation conversation;
  bool chunked = false;  // a text: what is longer than a row goes on in the next row
  int64_t line = 0;

  /// An instruction and its answer.
  static Example of(std::string instruction, std::string input, std::string output);
};

/// What is learned of a row.
enum class TrainOn {
  kAllTurns,    // every answer
  kLastTurn,    // the last answer
  kEverything,  // prompts too
};
/// "all-turns", "last-turn", "everything". Error (usage): anything else.
TrainOn parse_train_on(const std::string& name);
const char* name_of(TrainOn train_on);

struct EncodeOptions {
  TrainOn train_on = TrainOn::kAllTurns;
  bool joint_tokenization = false;  // prompt + answer in one go, as Lit-Parrot of June 2023
  bool parse_special = false;       // special tokens that stand in rows are control tokens
  bool append_eos = true;           // where a style ends an answer with nothing
  bool keep_eos = true;             // an answer that is cut still ends
  int64_t max_seq_length = 2048;
};

}  // namespace falconer
