// A table of texts, for a terminal, Markdown or HTML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace falconer {

struct Table {
  struct Column {
    std::string title;
    bool number = false;  // aligned to the right
    bool spare = false;   // left out of a terminal's table that is too wide
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  // each as long as columns
};

/// Columns padded with spaces, two between them. Characters count as one column each. Where
/// output_look() is too narrow, spare columns are left out, from the right; where that is not enough,
/// each row is a list.
std::string text_table(const Table& table);
/// "|" and what else would be read as markup is escaped.
std::string markdown_table(const Table& table);
std::string html_table(const Table& table, std::string_view caption);

/// `text` as the content of an HTML element or attribute: & < > " ' and control characters cannot
/// be read as markup, and what is no UTF-8 becomes U+FFFD.
std::string html_escaped(std::string_view text);
/// One line of `text` as Markdown text.
std::string markdown_escaped(std::string_view text);

/// 1,234,567
std::string grouped_digits(int64_t number);

}  // namespace falconer
