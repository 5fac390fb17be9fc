#include "data/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/joined.h"
#include "base/plural.h"
#include "base/spelling.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

namespace falconer {
namespace {

constexpr int64_t kBar = 40;  // of the histogram, where there is room
constexpr size_t kPreviewColumns = 90;

/// In one line; bytes of a character that is not there as a whole as <0xC3>.
std::string escaped(std::string_view bytes) {
  std::string shown;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (static_cast<unsigned char>(c) >= 0x80) {
      const std::string_view rest = bytes.substr(i, 4);
      const size_t length = valid_utf8_prefix(rest) > 0 ? decode_utf8(rest, 0).length : 1;
      if (valid_utf8_prefix(rest) > 0)
        shown += rest.substr(0, length);
      else
        shown += fmt::format("<0x{:02X}>", static_cast<unsigned char>(c));
      i += length - 1;
    } else if (c == '\n') {
      shown += "\\n";
    } else if (c == '\t') {
      shown += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      shown += c;
    }
  }
  return shown;
}

}  // namespace

namespace {

std::string histogram_text(const std::vector<int64_t>& counts) {
  const int64_t most = counts.empty() ? 0 : *std::max_element(counts.begin(), counts.end());
  const auto room = static_cast<int64_t>(std::min<size_t>(output_look().columns, 200));
  const int64_t bar = std::clamp<int64_t>(room - 30, 8, kBar);
  std::string text;
  for (size_t i = 0; i < counts.size(); ++i) {
    const int64_t rows = counts[i];
    if (rows == 0) continue;
    const int64_t width = std::max<int64_t>(1, bar * rows / std::max<int64_t>(1, most));
    text += fmt::format("  {:>6} .. {:<6} {:<{}} {}\n", int64_t{1} << i, (int64_t{2} << i) - 1,
                        std::string(static_cast<size_t>(width), '#'), bar, rows);
  }
  return text;
}

// The begin of the character that the byte at `at` belongs to.
size_t character_begin(std::string_view text, size_t at) {
  while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

}  // namespace

std::string report_text(const DataReport& r, const std::string& title, bool histogram) {
  std::string text =
      fmt::format("{}: {} {}, {} {} ({} to learn), longest {}\n", title, r.rows,
                  plural(r.rows, "row"), r.tokens, plural(r.tokens, "token"), r.targets, r.longest);
  if (histogram) text += histogram_text(r.length_histogram);
  if (r.truncated > 0)
    text += fmt::format("  {} {} cut at the maximum length\n", r.truncated,
                        plural(r.truncated, "row was", "rows were"));
  if (r.without_targets > 0)
    text += fmt::format("  {} {} nothing to learn (every label is ignored)\n", r.without_targets,
                        plural(r.without_targets, "row has", "rows have"));
  if (r.duplicates > 0)
    text += fmt::format("  {} {} an earlier one\n", r.duplicates,
                        plural(r.duplicates, "row repeats", "rows repeat"));
  text += columns_text(r);
  if (r.spelled > 0)
    text += worded(
        "  {} {} a special token, which is learned as plain text (--parse-special: as the token)\n",
        r.spelled, plural(r.spelled, "row spells", "rows spell"));
  if (r.bad > 0)
    text += fmt::format("  {} bad {} left out, the first: {}\n", r.bad,
                        plural(r.bad, "row was", "rows were"), r.first_bad);
  return text;
}

std::string unread_text(const std::map<std::string, int64_t>& unread) {
  constexpr size_t kShown = 20, kShownName = 60;
  std::string text;
  size_t shown = 0;
  for (const auto& [name, rows] : unread) {
    if (shown++ == kShown) return text + fmt::format(" and {} more", unread.size() - kShown);
    text += fmt::format("{}\"{}\" ({} {})", text.empty() ? "" : ", ",
                        escaped(name.substr(0, kShownName)), rows, plural(rows, "row"));
  }
  return text;
}

std::string strict_columns_text(const std::map<std::string, int64_t>& unread) {
  return worded(
      "nothing reads {}, and --strict-columns is given; name what it is with --columns, or take it "
      "out of the rows",
      unread_text(unread));
}

std::string columns_text(const DataReport& r) {
  std::string text;
  if (!r.columns.empty()) text += fmt::format("  columns: {}\n", r.columns);
  if (!r.unread.empty())
    text += worded("  not read: {} (--columns says what a column is)\n", unread_text(r.unread));
  if (!r.unread_files.empty())
    text += fmt::format("  not read: {}\n", escaped(joined(r.unread_files, ", ")));
  if (r.json_answers > 0)
    text += fmt::format("  {} {} no text, and {} learned as JSON\n", r.json_answers,
                        plural(r.json_answers, "answer is", "answers are"),
                        plural(r.json_answers, "is", "are"));
  return text;
}

std::string rendered_text(const RenderedAs& rendered) {
  if (rendered.format.empty()) return "";
  std::string text = "  format " + rendered.format;
  if (!rendered.prompt_style.empty()) text += ", prompt style " + rendered.prompt_style;
  return text + "\n";
}

std::string show_first_row(const RowView& rows, const Tokenizer& tokenizer, int64_t most_tokens) {
  const Row row = rows[0];
  std::string text = fmt::format("{} {}, token by token; [learned] tokens are in brackets:\n",
                                 rows.counted_by(), row.line);
  const int64_t n = std::min<int64_t>(most_tokens, static_cast<int64_t>(row.ids.size()));
  const size_t columns = std::min(kPreviewColumns, output_look().columns);
  std::string line = " ";
  const auto end_line = [&] {
    text += line + "\n";
    line = " ";
  };
  for (int64_t i = 0; i < n; ++i) {
    const std::string token = escaped(tokenizer.token_bytes(row.ids[i]));
    const bool learned = row.labels[i] != kIgnoredLabel;
    const std::string piece = learned ? "[" + token + "]" : token + "|";
    if (line.size() > 1 && columns_of(line) + columns_of(piece) > columns) end_line();
    line += piece;
    if (token.ends_with("\\n")) end_line();
  }
  if (line.size() > 1) text += line + "\n";
  if (n < static_cast<int64_t>(row.ids.size()))
    text += fmt::format(" ... {} more {}\n", std::ssize(row.ids) - n,
                        plural(std::ssize(row.ids) - n, "token"));
  return text;
}

std::string first_row_line(const RowView& rows, const Tokenizer& tokenizer) {
  const Row row = rows[0];
  std::string text, bytes;           // bytes: of the tokens since the last bracket
  size_t first = std::string::npos;  // where what is learned begins
  bool inside = false;
  const auto take_bytes = [&] { text += escaped(std::exchange(bytes, {})); };
  for (size_t i = 0; i < row.ids.size() && text.size() + bytes.size() < 20'000; ++i) {
    const bool learned = row.labels[i] != kIgnoredLabel;
    if (learned != inside) {
      take_bytes();
      if (learned && first == std::string::npos) first = text.size();
      text += learned ? "[" : "]";
    }
    inside = learned;
    bytes += tokenizer.token_bytes(row.ids[i]);
  }
  take_bytes();
  if (inside) text += "]";
  const std::string head = fmt::format("{} {}, learned in [ ]: ", rows.counted_by(), row.line);
  const size_t columns = terminal().columns;
  const size_t room = std::max<size_t>(20, columns - std::min(columns, head.size() + 1));
  if (text.size() <= room) return head + text;
  // A third for what comes before the answer.
  const size_t begin =
      first == std::string::npos || first <= room / 3
          ? 0
          : character_begin(text, std::min(first - room / 3, text.size() - room) + 3);
  std::string part = (begin > 0 ? "..." : "") + text.substr(begin);
  if (part.size() > room) part = part.substr(0, character_begin(part, room - 3)) + "...";
  return head + part;
}

}  // namespace falconer
