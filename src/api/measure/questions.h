// What evaluate asks: rows with the answers that are expected.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/formats.h"
#include "falconer/use.h"

namespace falconer {

/// What is asked, and the last answer of a row, which is expected.
struct Question {
  Chat chat;                              // messages, or
  std::vector<int32_t> prompt, expected;  // token ids
  bool stands = false;                    // no prompt style is the row's
  std::string answer;                     // that is expected, of messages
  std::vector<std::string> options;       // texts of which one is right; or none
  size_t right = 0;
};

/// A row with options has them under "options", "choices" or "endings": a list of texts, JSON of one, or
/// {"text": [...], "label": [...]}. Its answer is the text of one, its label or letter (A is the first), or its number
/// from 0. Errors: there are no rows; one has no answer that could be expected; one has options and the first has none.
std::vector<Question> read_questions(const std::string& path, const EvaluateOptions& options,
                                     FormatParser& parser);

/// Says which columns were read as what, and names columns, and keys of messages, that no answer depends on. Error:
/// there are such, and --strict-columns was given.
void tell_unread(const std::vector<Question>& questions, const EvaluateOptions& options,
                 const FormatParser& parser, const Model& model);

}  // namespace falconer
