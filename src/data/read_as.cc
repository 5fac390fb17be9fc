#include "data/read_as.h"

#include <string_view>

#include "base/error.h"
#include "base/text_decoder.h"

namespace falconer {

ReadAs read_as(const std::string& delimiter, const std::string& encoding) {
  ReadAs as{.encoding = find_encoding(encoding)};
  if (delimiter.empty()) return as;
  as.delimiter = delimiter == "tab" || delimiter == "\\t" ? '\t' : delimiter.front();
  constexpr std::string_view kNever = "\"\r\n";
  if ((delimiter.size() > 1 && as.delimiter != '\t') ||
      kNever.find(as.delimiter) != std::string_view::npos)
    fail_usage(
        "--delimiter {}: expected the one character between the columns, as ';' or '|', or tab",
        printable(delimiter));
  return as;
}

}  // namespace falconer
