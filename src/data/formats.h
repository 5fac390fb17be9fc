// What a row's object may look like: a table of formats, each recognised by its keys.
#pragma once

#include <string>
#include <variant>

#include "data/dataset.h"
#include "data/format/fields.h"

namespace falconer {

/// Token ids already, or messages to be rendered.
using ParsedRow = std::variant<Row, Example>;

struct DataFormat {
  const char* name;
  const char* key;      // that tells it
  const char* example;  // of a row: for help and messages
  /// `vocab` bounds ids. Errors say what is wrong with the row; the caller knows file and line.
  ParsedRow (*parse)(const RowObject& object, int64_t vocab);
  /// Texts that stand as they are: no prompt style is theirs.
  bool stands = false;
  /// Turns of several speakers, which a chat template is made for.
  bool chat = false;
};

/// By name; "auto" and "" are null. Error (usage): another name; the message lists them.
const DataFormat* find_data_format(const std::string& name);
std::vector<std::string> data_format_names();

/// A row's format by its keys. Error: none has them.
const DataFormat& detect_data_format(const RowObject& object);

/// The rows of one file: all of the format that was asked for, or else of the first row's.
class FormatParser {
 public:
  FormatParser(const DataFormat* format, int64_t vocab) : format_(format), vocab_(vocab) {}

  /// Error: what is wrong with the row, or that it is of another format than those before it.
  ParsedRow parse(const RowObject& object);
  /// Null before the first row.
  const DataFormat* format() const { return format_; }

 private:
  const DataFormat* format_;
  int64_t vocab_;
  bool detected_ = false;
};

}  // namespace falconer
