#include "report/table.h"

#include <gtest/gtest.h>

#include "base/terminal.h"

namespace falconer::test {
namespace {

Table sample_table(const std::string& cell) {
  return {.columns = {{"name"}, {"n", true}}, .rows = {{cell, "12"}, {"b", "3"}}};
}

TEST(Table, TextIsAligned) {
  EXPECT_EQ(text_table(sample_table("aé")), "name   n\naé    12\nb      3\n");
}

struct Width {
  explicit Width(size_t columns, bool styled = false) { set_output_look({columns, styled}); }
  ~Width() { set_output_look({}); }
};

Table wide() {
  return {.columns = {{"run"}, {"method", false, true}, {"loss", true}, {"speed", true, true}},
          .rows = {{"out/lora", "lora", "0.5", "100"}, {"out/b", "adapter", "-", "7"}}};
}

TEST(Table, WhereItIsTooWideSpareColumnsGoFromTheRight) {
  EXPECT_EQ(text_table(wide()),
            "run       method   loss  speed\n"
            "out/lora  lora      0.5    100\n"
            "out/b     adapter     -      7\n");
  const Width width(24);
  EXPECT_EQ(text_table(wide()),
            "run       method   loss\n"
            "out/lora  lora      0.5\n"
            "out/b     adapter     -\n"
            "(too narrow for: speed)\n");
}

TEST(Table, WhereThatIsNotEnoughEachRowIsAList) {
  const Width width(12);
  EXPECT_EQ(text_table(wide()),
            "out/lora\n  method  lora\n  loss    0.5\n  speed   100\n"
            "out/b\n  method  adapter\n  speed   7\n");
}

TEST(Table, HeadsAreBoldWhereStylesAre) {
  const Width width(80, true);
  const std::string text = with_styles(text_table(wide()));
  EXPECT_TRUE(text.starts_with("\x1b[1mrun       method   loss  speed\x1b[0m\n")) << text;
}

TEST(Table, NoNameMovesTheCursor) {
  EXPECT_EQ(text_table(sample_table("\x1b[2J\n")).find('\x1b'), std::string::npos);
}

TEST(Table, MarkdownCannotBeBrokenByAName) {
  EXPECT_EQ(markdown_table(sample_table("a|b\n<x>`*_")),
            "| name | n |\n|---|---:|\n| a\\|b \\<x\\>\\`\\*\\_ | 12 |\n| b | 3 |\n");
}

TEST(Table, HtmlCannotBeBrokenByAName) {
  const std::string html = html_table(sample_table("</td><script>alert('x')</script>\"&"), "a<b");
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("&lt;/td&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"),
            std::string::npos);
  EXPECT_NE(html.find("a&lt;b"), std::string::npos);
}

TEST(Table, EscapedTextIsUtf8WhateverCameIn) {
  EXPECT_EQ(html_escaped("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
            "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  const std::string no = "\xEF\xBF\xBD";
  EXPECT_EQ(html_escaped("a\xC3"), "a" + no);                      // cut short
  EXPECT_EQ(html_escaped("\xC0\xBC"), no + no);                    // an overlong "<"
  EXPECT_EQ(html_escaped("\xED\xA0\x80"), no + no + no);           // a surrogate
  EXPECT_EQ(html_escaped("\xF4\x90\x80\x80"), no + no + no + no);  // beyond Unicode
  EXPECT_EQ(html_escaped(std::string("\0\x1b", 2)), no + no);
}

TEST(Table, DigitsAreGrouped) {
  EXPECT_EQ(grouped_digits(0), "0");
  EXPECT_EQ(grouped_digits(999), "999");
  EXPECT_EQ(grouped_digits(7217189760), "7,217,189,760");
  EXPECT_EQ(grouped_digits(-100), "-100");
  EXPECT_EQ(grouped_digits(-1000), "-1,000");
}

}  // namespace
}  // namespace falconer::test
