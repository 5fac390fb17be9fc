// Comma-separated values (RFC 4180): quotes, doubled quotes, line breaks inside quotes, CR LF, a
// byte order mark. Tabs may separate them in the place of commas.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

struct CsvRecord {
  std::vector<std::string> fields;
  int64_t line = 0, last_line = 0;  // where it begins and ends, from 1
  int64_t quote_line = 0;    // where the first quote opens that goes over lines; 0: none does
  bool open = false;         // a quote is not closed, see CsvReader
  bool text_behind = false;  // of a field that goes over lines, behind its closing quote
};

/// No field that is longer was meant to be one: a quote is not closed.
inline constexpr size_t kLongestCsvField = size_t{256} << 20;

/// Records one by one. Empty lines are left out. A quote that is never closed ends at the end of the
/// text, or behind kLongestCsvField bytes.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text, char separator = ',');

  /// False behind the last one.
  bool next(CsvRecord& record);
  /// How much of the text was read, and where that ends.
  size_t position() const { return at_; }
  const char* place() const { return text_.data() + at_; }
  bool at_end() const { return at_ == text_.size(); }
  int64_t line() const { return line_; }
  /// It goes on in `text`, which begins with what it has not read.
  void go_on_in(std::string_view text) {
    text_ = text;
    at_ = 0;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
  int64_t line_ = 1;
  char separator_;
};

/// How many whole rows of `columns` fields seem to stand in one field of the record, as they do where a
/// quote was not closed: lines behind the field's first that have as many commas as a row, none of
/// them with a space behind it. 0 where any other text is between them: an answer of several lines.
int64_t rows_in_field(const CsvRecord& record, size_t columns, char separator = ',');

/// What is wrong with a record below a header of `columns` fields; empty: nothing. Of a record of
/// several lines it says which, and where the quote opens. Not for one that is open.
std::string wrong_with(const CsvRecord& record, size_t columns, char separator = ',');

std::vector<CsvRecord> parse_csv(std::string_view text);

}  // namespace falconer
