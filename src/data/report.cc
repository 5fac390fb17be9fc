#include "data/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/tokenizer.h"

namespace falconer {
namespace {

std::string escaped(const std::string& bytes) {
  std::string shown;
  for (const char c : bytes) {
    if (c == '\n')
      shown += "\\n";
    else if (c == '\t')
      shown += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      shown += c;
  }
  return shown;
}

}  // namespace

std::string report_text(const DataReport& r, const std::string& title) {
  std::string text = fmt::format("{}: {} rows, {} tokens ({} to learn), longest {}\n", title,
                                 r.rows, r.tokens, r.targets, r.longest);
  const int64_t most = r.length_histogram.empty() ? 0
                                                  : *std::max_element(r.length_histogram.begin(),
                                                                      r.length_histogram.end());
  for (size_t i = 0; i < r.length_histogram.size(); ++i) {
    const int64_t rows = r.length_histogram[i];
    if (rows == 0) continue;
    const int64_t width = std::max<int64_t>(1, 40 * rows / std::max<int64_t>(1, most));
    text += fmt::format("  {:>6} .. {:<6} {:<40} {}\n", int64_t{1} << i, (int64_t{2} << i) - 1,
                        std::string(static_cast<size_t>(width), '#'), rows);
  }
  if (r.truncated > 0)
    text += fmt::format("  {} rows were cut at the maximum length\n", r.truncated);
  if (r.without_targets > 0)
    text += fmt::format("  {} rows have nothing to learn (every label is ignored)\n",
                        r.without_targets);
  if (r.duplicates > 0) text += fmt::format("  {} rows repeat an earlier one\n", r.duplicates);
  if (r.bad > 0)
    text += fmt::format("  {} bad rows were left out, the first: {}\n", r.bad, r.first_bad);
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
  std::string line = " ";
  for (int64_t i = 0; i < n; ++i) {
    const std::string token = escaped(tokenizer.token_bytes(row.ids[i]));
    const bool learned = row.labels[i] != kIgnoredLabel;
    line += learned ? "[" + token + "]" : token + "|";
    if (line.size() < 90 && !token.ends_with("\\n")) continue;
    text += line + "\n";
    line = " ";
  }
  if (line.size() > 1) text += line + "\n";
  if (n < static_cast<int64_t>(row.ids.size()))
    text += fmt::format(" ... {} more tokens\n", static_cast<int64_t>(row.ids.size()) - n);
  return text;
}

}  // namespace falconer
