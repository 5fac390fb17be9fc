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

/// Empty lines are left out. A quote that is never closed ends at the end of the text.
std::vector<CsvRecord> parse_csv(std::string_view text);

}  // namespace falconer
