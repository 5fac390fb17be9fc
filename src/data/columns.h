// Columns of other names than the formats have: "question" for "instruction".
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "data/format/fields.h"

namespace falconer {

class Columns {
 public:
  Columns() = default;
  /// "instruction=question,output=answer", ours first; "" is none. Error (usage): something else, or a
  /// name of ours that no format has, or one that comes twice.
  static Columns parse(const std::string& text);
  /// For a row that lacks what its format needs, or has a usual column of another name: those that
  /// instructions, answers and contexts go by in the data sets of others (Dolly, OpenOrca, question and
  /// answer, prompt and response, a CSV's "Instruction"). None where there is no such.
  static Columns guess(const RowObject& row);

  bool empty() const { return pairs_.empty(); }
  /// The row with our names. Error: it lacks a column.
  RowObject renamed(const RowObject& row) const;
  /// Keys of the row that another column takes the place of: nothing reads them.
  std::vector<std::string> hidden_in(const RowObject& row) const;
  /// The first of their columns that the row lacks; "" where it has all.
  std::string missing_in(const RowObject& row) const;
  /// "instruction=question, output=answer".
  std::string text() const;

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;  // ours, theirs
  bool guessed_ = false;  // a column may then be missing from a row
};

}  // namespace falconer
