// Comma-separated values (RFC 4180): quotes, doubled quotes, line breaks inside quotes, CR LF, a
// byte order mark.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

struct CsvRecord {
  std::vector<std::string> fields;
  int64_t line = 0;  // where it begins, from 1
};

/// No field that is longer was meant to be one: a quote is not closed.
inline constexpr size_t kLongestCsvField = size_t{256} << 20;

/// Records one by one. Empty lines are left out. A quote that is never closed ends at the end of the
/// text, or behind kLongestCsvField bytes.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text);

  /// False behind the last one.
  bool next(CsvRecord& record);
  /// How much of the text was read.
  size_t position() const { return at_; }

 private:
  std::string_view text_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

std::vector<CsvRecord> parse_csv(std::string_view text);

}  // namespace falconer
