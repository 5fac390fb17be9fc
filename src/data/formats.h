// What a row's object may look like: a table of formats, each recognised by its keys.
#pragma once

#include <array>
#include <map>
#include <string>
#include <variant>

#include "data/columns.h"
#include "data/dataset.h"
#include "data/format/fields.h"

namespace falconer {

/// Token ids already, or messages to be rendered.
using ParsedRow = std::variant<Row, Example>;

struct DataFormat {
  const char* name;
  const char* key;      // that tells it
  const char* example;  // of a row: for help and messages
  /// Errors say what is wrong with the row; the caller knows file and line.
  ParsedRow (*parse)(const RowObject& object, RowContext& context);
  std::array<const char*, 6> fields;  // that it reads; the others are null
  /// Texts that stand as they are: no prompt style is theirs.
  bool stands = false;
  /// Turns of several speakers, which a chat template is made for.
  bool chat = false;
  /// Whether a row with the key is of this format; null: each is.
  bool (*fits)(const RowObject& object) = nullptr;
};

/// By name; "auto" and "" are null. Error (usage): another name; the message lists them.
const DataFormat* find_data_format(const std::string& name);
std::vector<std::string> data_format_names();
/// All fields of all formats, for --columns.
std::vector<std::string> data_format_fields();

/// A row's format by its keys. Error: none has them.
const DataFormat& detect_data_format(const RowObject& object);

/// The rows of one file: all of the format that was asked for, or else of the first row's.
class FormatParser {
 public:
  /// Columns that are not named are guessed from the first row.
  FormatParser(const DataFormat* format, int64_t vocab, Columns columns = {})
      : format_(format), vocab_(vocab), columns_(std::move(columns)), named_(!columns_.empty()) {}

  /// Error: what is wrong with the row, or that it is of another format than those before it.
  ParsedRow parse(const RowObject& object);
  /// Null before the first row.
  const DataFormat* format() const { return format_; }
  /// "instruction=question (guessed)"; empty where all columns have their formats' names.
  std::string columns() const;
  /// What no format reads: columns that say something, and in how many rows; the first thousand names.
  const std::map<std::string, int64_t>& unread() const { return unread_; }
  /// Rows whose answer is no text, and was taken as its JSON.
  int64_t json_answers() const { return json_answers_; }

 private:
  const DataFormat* format_;
  ParsedRow parse_named(const RowObject& object);
  void count_unread(const RowObject& object, std::vector<std::string> of_turns);

  int64_t vocab_;
  Columns columns_;
  bool named_ = false, begun_ = false, detected_ = false;
  std::map<std::string, int64_t> unread_;
  int64_t json_answers_ = 0;
};

}  // namespace falconer
