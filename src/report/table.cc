#include "report/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/terminal.h"
#include "base/utf8.h"

namespace falconer {
namespace {

// The length of the UTF-8 character at `at`; 0 where there is none that is well formed.
size_t character_length(std::string_view text, size_t at) {
  const std::string_view next = text.substr(at, 4);
  return valid_utf8_prefix(next) > 0 ? decode_utf8(next, 0).length : 0;
}

std::string padded(const std::string& text, size_t width, bool right) {
  const std::string space(width - std::min(width, columns_of(text)), ' ');
  return right ? space + text : text + space;
}

}  // namespace

namespace {

std::vector<size_t> widths_of(const Table& table) {
  std::vector<size_t> widths;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    widths.push_back(columns_of(table.columns[i].title));
    for (const auto& row : table.rows) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  return widths;
}

size_t together(const std::vector<size_t>& widths) {
  size_t all = 0;
  for (const size_t width : widths) all += width + 2;
  return all - std::min<size_t>(all, 2);
}

Table without_column(Table table, size_t i) {
  const auto at = static_cast<std::ptrdiff_t>(i);
  table.columns.erase(table.columns.begin() + at);
  for (auto& row : table.rows) row.erase(row.begin() + at);
  return table;
}

// "run  out/lora", and below it the other columns line by line.
std::string list_of(const Table& table) {
  size_t width = 0;
  for (const Table::Column& column : table.columns)
    width = std::max(width, columns_of(column.title));
  std::string text;
  for (const auto& row : table.rows)
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0 && (row[i].empty() || row[i] == "-")) continue;
      const std::string cell = without_controls(row[i]);
      text += i == 0 ? bold(cell) + "\n"
                     : "  " + padded(table.columns[i].title, width, false) + "  " + cell + "\n";
    }
  return text;
}

}  // namespace

std::string text_table(const Table& wanted) {
  const size_t columns = output_look().columns;
  Table table = wanted;
  for (auto& row : table.rows)
    for (std::string& cell : row) cell = without_controls(cell);
  std::string left_out;
  for (size_t i = table.columns.size(); i-- > 0 && together(widths_of(table)) > columns;) {
    if (!table.columns[i].spare) continue;
    left_out = table.columns[i].title + (left_out.empty() ? "" : ", ") + left_out;
    table = without_column(table, i);
  }
  const std::vector<size_t> widths = widths_of(table);
  if (together(widths) > columns) return list_of(wanted);
  const auto line = [&](const auto& cell) {
    std::string text;
    for (size_t i = 0; i < widths.size(); ++i)
      text += (i > 0 ? "  " : "") + padded(cell(i), widths[i], table.columns[i].number);
    return text.substr(0, text.find_last_not_of(' ') + 1);
  };
  std::string text = bold(line([&](size_t i) { return table.columns[i].title; })) + "\n";
  for (const auto& row : table.rows) text += line([&](size_t i) { return row[i]; }) + "\n";
  if (!left_out.empty()) text += "(too narrow for: " + left_out + ")\n";
  return text;
}

std::string markdown_table(const Table& table) {
  std::string text = "|", rule = "|";
  for (const Table::Column& column : table.columns) {
    text += " " + markdown_escaped(column.title) + " |";
    rule += column.number ? "---:|" : "---|";
  }
  text += "\n" + rule + "\n";
  for (const auto& row : table.rows) {
    text += "|";
    for (const std::string& cell : row) text += " " + markdown_escaped(cell) + " |";
    text += "\n";
  }
  return text;
}

std::string html_table(const Table& table, std::string_view caption) {
  std::string text = "<div class=\"scroll\"><table>";
  if (!caption.empty()) text += "<caption>" + html_escaped(caption) + "</caption>";
  text += "\n<thead><tr>";
  const auto kind = [&](size_t i) { return table.columns[i].number ? " class=\"number\"" : ""; };
  for (size_t i = 0; i < table.columns.size(); ++i)
    text +=
        fmt::format("<th scope=\"col\"{}>{}</th>", kind(i), html_escaped(table.columns[i].title));
  text += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    text += "<tr>";
    for (size_t i = 0; i < row.size(); ++i)
      text += i == 0 ? fmt::format("<th scope=\"row\">{}</th>", html_escaped(row[i]))
                     : fmt::format("<td{}>{}</td>", kind(i), html_escaped(row[i]));
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

std::string html_escaped(std::string_view text) {
  std::string escaped;
  for (size_t at = 0; at < text.size();) {
    const size_t length = character_length(text, at);
    const char c = text[at];
    if (length == 0) {
      escaped += "\xEF\xBF\xBD";
    } else if (length > 1) {
      escaped += text.substr(at, length);
    } else if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else if (c == '"') {
      escaped += "&quot;";
    } else if (c == '\'') {
      escaped += "&#39;";
    } else if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7F) {
      escaped += "\xEF\xBF\xBD";
    } else {
      escaped += c;
    }
    at += std::max<size_t>(1, length);
  }
  return escaped;
}

std::string markdown_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("\\`*_[]<>|#&~").find(c) != std::string_view::npos) escaped += '\\';
    escaped += static_cast<unsigned char>(c) < ' ' || c == 0x7F ? ' ' : c;
  }
  return escaped;
}

std::string grouped_digits(int64_t number) {
  std::string digits = std::to_string(number);
  const int64_t first = number < 0 ? 1 : 0;
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > first; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

}  // namespace falconer
