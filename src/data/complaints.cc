#include "data/complaints.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/spelling.h"
#include "base/trim.h"
#include "base/utf8.h"

namespace falconer {
namespace {

/// Where a word stands outside of strings; npos where it does not.
size_t find_outside_strings(std::string_view text, std::string_view word) {
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && inside)
      ++i;
    else if (text[i] == '"')
      inside = !inside;
    else if (!inside && text.substr(i).starts_with(word))
      return i;
  }
  return std::string_view::npos;
}

/// The position of an escape of half a surrogate pair; npos where there is none.
size_t find_lone_surrogate(std::string_view text) {
  const auto half = [&](size_t at) {  // 1: the first of two, 2: the second, 0: neither
    if (at >= text.size()) return 0;
    if (text.substr(at, 3) != "\\ud" && text.substr(at, 3) != "\\uD") return 0;
    const char digit = at + 3 < text.size() ? text[at + 3] : '0';
    if (digit == '8' || digit == '9' || digit == 'a' || digit == 'b' || digit == 'A' ||
        digit == 'B')
      return 1;
    return (digit >= 'c' && digit <= 'f') || (digit >= 'C' && digit <= 'F') ? 2 : 0;
  };
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '\\') continue;
    const int which = half(i);
    if (which == 2 || (which == 1 && half(i + 6) != 2)) return i;
    i += which == 1 ? 11 : 1;
  }
  return std::string_view::npos;
}

/// A member of the object that begins the file and holds a list of rows: "data" of {"data": [{...}]}.
std::string member_with_rows(std::string_view text) {
  text = trimmed(text);
  if (!text.starts_with('{')) return {};
  const std::string_view head = trimmed(text.substr(1, 200));
  if (!head.starts_with('"')) return {};
  const size_t end = head.find('"', 1);
  if (end == std::string_view::npos) return {};
  const std::string_view behind = trimmed(head.substr(end + 1));
  if (!behind.starts_with(':')) return {};
  const std::string_view value = trimmed(behind.substr(1));
  if (!value.starts_with('[')) return {};
  const std::string_view first = trimmed(value.substr(1));
  std::string name(head.substr(1, end - 1));
  for (const char* of_a_row : {"messages", "conversations", "prompt", "completion", "tools"})
    if (name == of_a_row) return {};
  return first.starts_with('{') ? name : "";
}

}  // namespace

std::string file_complaint(std::string_view text) {
  const auto begins = [&](std::string_view bytes) { return text.starts_with(bytes); };
  using namespace std::string_view_literals;
  if (begins("\xFF\xFE"sv) || begins("\xFE\xFF"sv) || begins("{\0"sv) || begins("[\0"sv) ||
      begins("\0{"sv) || begins("\0["sv))
    return spelled(
        "is UTF-16, and rows are UTF-8; prepare reads it with --encoding utf-16, or convert it: "
        "iconv -f UTF-16 -t UTF-8 FILE > NEW");
  if (begins("version https://git-lfs.github.com/"))
    return "is a pointer of Git LFS, and the file that it stands for is not here; fetch it: git "
           "lfs pull";
  if (begins("PAR1")) return "is Parquet, whatever its name says; name it .parquet";
  if (begins("\x1F\x8B"sv)) return "is packed by gzip, whatever its name says; unpack it: gunzip";
  if (begins("\x28\xB5\x2F\xFD"sv))
    return "is packed by zstd, whatever its name says; unpack it: unzstd";
  if (begins("PK\x03\x04"sv))
    return "is a zip file (or an Excel sheet); unpack it, or save it as CSV";
  const std::string_view head = trimmed(text.substr(0, 1000));
  for (const char* page : {"<!DOCTYPE", "<!doctype", "<html", "<HTML"})
    if (head.starts_with(page)) return "is a web page and no rows; download the file itself";
  const std::string member = member_with_rows(text.substr(0, 4096));
  const std::string_view line = trimmed(text.substr(0, text.find('\n')));
  if (!member.empty() && !line.ends_with('}')) return rows_in_member(member);
  return {};
}

std::string rows_in_member(std::string_view member) {
  return fmt::format(
      "is an object whose \"{}\" holds rows; rows are an array of objects, or one a line: write "
      "that list alone",
      printable(member));
}

std::string line_end_complaint(std::string_view text) {
  text = text.substr(0, size_t{1} << 16);
  const size_t end = text.find('\r');
  if (end == std::string_view::npos || text.find('\n') != std::string_view::npos ||
      trimmed(text.substr(end)).empty())
    return {};
  return "ends its lines with carriage returns alone, as programs of long ago do; convert it: tr "
         "'\\r' '\\n' < FILE > NEW";
}

std::string utf8_complaint(std::string_view text) {
  const size_t good = valid_utf8_prefix(text);
  return worded(
      "is not UTF-8: byte {} is {:#04x}; prepare reads another encoding with --encoding latin1 or "
      "its like, or convert the file: iconv -f LATIN1 -t UTF-8 FILE > NEW",
      good + 1, static_cast<unsigned char>(text[good]));
}

std::string row_complaint(std::string_view line, const std::string& parsed) {
  const std::string begin = "is not valid JSON: ";
  if (valid_utf8_prefix(line) < line.size()) return utf8_complaint(line);
  for (const char* word : {"NaN", "Infinity", "undefined", "None", "True", "False"})
    if (const size_t at = find_outside_strings(line, word); at != std::string_view::npos)
      return begin + fmt::format(
                         "{} at column {}, which Python and JavaScript write and JSON does not "
                         "have; use null, true or false, or leave the member out",
                         word, at + 1);
  if (const size_t at = find_lone_surrogate(line); at != std::string_view::npos)
    return begin + fmt::format(
                       "half of a surrogate pair ({}) at column {}: a character was cut in two; "
                       "write the whole character, or take the half out",
                       line.substr(at, 6), at + 1);
  const std::string_view text = trimmed(line);
  if (const size_t end = text.find('\r');
      end != std::string_view::npos && trimmed(text.substr(end)).starts_with('{'))
    return line_end_complaint(text);
  if (text.ends_with("},"))
    return begin + "a comma follows the row; JSON lines have none, an array in a .json file has";
  if (text == "{" || text == "[" || text.ends_with("{") || text.ends_with("[") ||
      (text.starts_with("{") && text.ends_with(",")))
    return begin +
           "a row goes on over several lines; write each row in one line, or all as an array in a "
           ".json file";
  if (text.starts_with("{'"))
    return begin +
           "its strings are in single quotes, as Python prints them; write it with json.dumps";
  return begin + parsed;
}

}  // namespace falconer
