#include "data/csv.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/plural.h"

namespace falconer {

CsvReader::CsvReader(std::string_view text, char separator) : text_(text), separator_(separator) {
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
}

bool CsvReader::next(CsvRecord& record) {
  record = {.fields = {}, .line = line_, .last_line = line_};
  std::string field;
  bool quoted = false, any = false;
  bool closed_below = false;  // the field's quote was closed in another line than it opened in
  int64_t opened = 0;
  while (at_ < text_.size()) {
    const char c = text_[at_++];
    record.last_line = line_;
    if (c == '\n') ++line_;
    if (quoted) {
      if (c == '\n' && record.quote_line == 0) record.quote_line = opened;
      if (c != '"') {
        field += c;
        if (field.size() > kLongestCsvField) break;
      } else if (at_ < text_.size() && text_[at_] == '"') {
        field += '"';
        ++at_;
      } else {
        quoted = false;
        closed_below = line_ > opened;
      }
    } else if (c == '"' && field.empty()) {
      quoted = any = true;
      opened = line_;
    } else if (c == separator_) {
      record.fields.push_back(std::move(field));
      field.clear();
      closed_below = false;
    } else if (c == '\n') {
      if (any || !record.fields.empty()) break;
      record.line = line_;
    } else if (c != '\r' || at_ >= text_.size() || text_[at_] != '\n') {
      field += c;
      any = true;
      if (closed_below && c != ' ' && c != '\t') record.text_behind = true;
    }
  }
  if (!any && record.fields.empty()) return false;
  record.fields.push_back(std::move(field));
  record.open = quoted;
  if (quoted) record.quote_line = opened;
  return true;
}

namespace {

constexpr int64_t kFewRowsInField = 20;  // more are not meant to be in one

/// A comma in a text has a space behind it, and one between fields has none.
bool is_like_row(std::string_view line, size_t columns, char separator) {
  size_t separators = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != separator) continue;
    if (separator == ',' && i + 1 < line.size() && line[i + 1] == ' ') return false;
    ++separators;
  }
  return separators + 1 == columns;
}

int64_t rows_in(std::string_view field, size_t columns, char separator) {
  int64_t rows = 0;
  bool other = false;  // a line that is like none: the last may be a part of a row
  for (size_t end = field.find('\n'); end != std::string_view::npos && !field.empty();
       end = field.find('\n')) {
    field.remove_prefix(end + 1);
    const std::string_view line = field.substr(0, field.find('\n'));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (other) return 0;
    if (is_like_row(line, columns, separator))
      ++rows;
    else
      other = true;
  }
  return rows;
}

}  // namespace

int64_t rows_in_field(const CsvRecord& record, size_t columns, char separator) {
  int64_t most = 0;
  if (record.quote_line == 0 || columns < 2) return 0;  // any line is a row of one field
  for (const std::string& field : record.fields)
    most = std::max(most, rows_in(field, columns, separator));
  return most;
}

std::string wrong_with(const CsvRecord& record, size_t columns, char separator) {
  std::string where;
  if (record.quote_line != 0)
    where = fmt::format(
        "; it is lines {} to {}, for a quote opens in line {}: look whether it is "
        "closed where its field ends",
        record.line, record.last_line, record.quote_line);
  if (record.fields.size() != columns)
    return fmt::format("has {} {}, and the header has {}{}", record.fields.size(),
                       plural(record.fields.size(), "field"), columns, where);
  if (record.text_behind)
    return fmt::format(
        "has text behind the quote that closes a field, where a {} or a line's end belongs{}",
        separator == ',' ? "comma" : "tab", where);
  if (const int64_t rows = rows_in_field(record, columns, separator); rows > kFewRowsInField)
    return fmt::format("has a field in which {} rows seem to stand{}", rows, where);
  return "";
}

std::vector<CsvRecord> parse_csv(std::string_view text) {
  CsvReader reader(text);
  std::vector<CsvRecord> records;
  for (CsvRecord record; reader.next(record);) records.push_back(std::move(record));
  return records;
}

}  // namespace falconer
