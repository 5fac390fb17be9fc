// Why rows cannot be read, and what to do: what people's files turn out to be.
#pragma once

#include <string>
#include <string_view>

namespace falconer {

/// Of a file that holds no rows at all, by its first bytes: UTF-16, a pointer of Git LFS, a packed file, HTML,
/// an object with the rows in one of its members. "" where nothing like that is seen.
std::string file_complaint(std::string_view text);

/// Of an object whose `member` holds the rows.
std::string rows_in_member(std::string_view member);

/// Of text whose lines end with carriage returns alone, of which no line is told from another; "" where they do not.
std::string line_end_complaint(std::string_view text);

/// Of text that is not UTF-8: the first byte that is none.
std::string utf8_complaint(std::string_view text);

/// Of a line that is no JSON: `parsed` is what the parser says of it, with its column. Encodings other than
/// UTF-8, NaN and its like, half a surrogate pair, an object over several lines, a comma behind the row.
std::string row_complaint(std::string_view line, const std::string& parsed);

}  // namespace falconer
