#include "data/csv.h"

namespace falconer {

CsvReader::CsvReader(std::string_view text) : text_(text) {
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
}

bool CsvReader::next(CsvRecord& record) {
  record.fields.clear();
  record.line = line_;
  std::string field;
  bool quoted = false, any = false;
  while (at_ < text_.size()) {
    const char c = text_[at_++];
    if (c == '\n') ++line_;
    if (quoted) {
      if (c != '"') {
        field += c;
        if (field.size() > kLongestCsvField) break;
      } else if (at_ < text_.size() && text_[at_] == '"') {
        field += '"';
        ++at_;
      } else {
        quoted = false;
      }
    } else if (c == '"' && field.empty()) {
      quoted = any = true;
    } else if (c == ',') {
      record.fields.push_back(std::move(field));
      field.clear();
    } else if (c == '\n') {
      if (any || !record.fields.empty()) break;
      record.line = line_;
    } else if (c != '\r' || at_ >= text_.size() || text_[at_] != '\n') {
      field += c;
      any = true;
    }
  }
  if (!any && record.fields.empty()) return false;
  record.fields.push_back(std::move(field));
  return true;
}

std::vector<CsvRecord> parse_csv(std::string_view text) {
  CsvReader reader(text);
  std::vector<CsvRecord> records;
  for (CsvRecord record; reader.next(record);) records.push_back(std::move(record));
  return records;
}

}  // namespace falconer
