// What people say of a file of rows that its name does not.
#pragma once

#include <string>

namespace falconer {

struct ReadAs {
  char delimiter = 0;    // between the columns of a table; 0: a comma, or a tab in .tsv
  std::string encoding;  // as find_encoding() gives it
};

/// Of "--delimiter" and "--encoding". `delimiter` is one character, "tab" or "\\t"; empty: by the ending.
/// Errors (usage): another delimiter, or one that is a quote or ends lines; an unknown encoding.
ReadAs read_as(const std::string& delimiter, const std::string& encoding);

}  // namespace falconer
