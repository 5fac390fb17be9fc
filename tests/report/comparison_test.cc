#include "report/comparison.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/article.h"
#include "report/comparison_charts.h"
#include "support/holds.h"

namespace falconer::test {
namespace {

Comparison sample(const std::string& name) {
  Comparison c;
  c.checkpoint = c.data = c.machine = name;
  c.parameters = 1000000;
  c.asked_rows = 200;
  c.base_held_out_loss = 2.5;
  c.base_exact = 0;
  c.base_speed = {
      {.prompt_tokens_per_second = 100, .tokens_per_second = 50, .peak_bytes = 30000000}};
  ComparedRun lora{.name = "lora", .method = "lora"};
  lora.settings = name;
  lora.trainable = 5000;
  lora.steps = 10;
  lora.rows = 80;
  lora.tokens = 800;
  lora.train_seconds = 20;
  lora.train_peak_bytes = 2000000000;
  lora.held_out_loss = 0.5;
  lora.exact = 150;
  lora.speed = {{.prompt_tokens_per_second = 90, .tokens_per_second = 45, .peak_bytes = 31000000}};
  lora.merged_speed = c.base_speed;
  lora.steps_x = {1, 2, 3};
  lora.losses = {3, 2, 1};
  ComparedRun adapter = lora;
  adapter.name = name;
  adapter.method = "adapter";
  adapter.train_seconds = 10;
  adapter.train_peak_bytes = 1000000000;
  adapter.merged_speed.reset();
  adapter.merged_note = name;
  ComparedRun full{.name = "full", .method = "full"};
  full.left_out = "left out: " + name;
  c.runs = {lora, adapter, full};
  return c;
}

TEST(Comparison, FiguresAreInTheTables) {
  const std::string text = comparison_markdown(sample("x"));
  for (const char* part :
       {"| lora | 20.0 s | 40.0 | 2.00 GB | 5,000 | 0.5 % | 0.5000 | 150 of 200 |",
        "| lora | 45.0 | 31.0 MB | 50.0 | 30.0 MB |", "before finetuning", "full: left out: x"})
    EXPECT_TRUE(holds(text, part)) << part << "\n" << text;
}

TEST(Comparison, TheArticleIsNamedWhereItsFiguresAre) {
  const std::string text = comparison_markdown(sample("x"));
  EXPECT_TRUE(holds(text, "article's"));
  EXPECT_TRUE(holds(text, "| x | 1,365,330 | 5,000 | 1.00 | 2.00 | 1.00 | 0.50 | 1.23 | 1.00 |"))
      << text;
  Comparison without = sample("x");
  without.runs.erase(without.runs.begin());
  EXPECT_FALSE(holds(comparison_markdown(without), "article"));
}

TEST(Comparison, ThePageNeedsNothingFromElsewhere) {
  const std::string page = comparison_page(sample("x"));
  for (const char* part : {"<script", "src=", "href=", "url(", "@import"})
    EXPECT_FALSE(holds(page, part)) << part;
  EXPECT_TRUE(holds(page, "prefers-color-scheme:dark"));
}

TEST(Comparison, HostileNamesAreText) {
  const Comparison c = sample("</title><script>alert(1)</script><b>|`");
  const std::string page = comparison_page(c);
  EXPECT_FALSE(holds(page, "<script"));
  EXPECT_FALSE(holds(page, "<b>"));
  const std::string markdown = comparison_markdown(c);
  for (size_t at = 0; (at = markdown.find("<script", at)) != std::string::npos; ++at)
    EXPECT_EQ(markdown[at - 1], '\\');
  for (const NamedChart& chart : comparison_charts(c)) EXPECT_FALSE(holds(chart.svg, "<script"));
  EXPECT_FALSE(nlohmann::json::parse(comparison_json(c), nullptr, false).is_discarded());
}

TEST(Comparison, UnequalWorkIsSaid) {
  Comparison c = sample("x");
  EXPECT_TRUE(same_work(c));
  c.runs[1].rows = 81;
  EXPECT_FALSE(same_work(c));
  EXPECT_TRUE(holds(comparison_markdown(c), "did not see the same rows"));
}

TEST(Comparison, NothingMeasuredIsNoFigure) {
  Comparison c;
  ComparedRun run{.name = "lora", .method = "lora"};
  c.runs = {run};
  const std::string page = comparison_page(c) + comparison_markdown(c) + comparison_json(c);
  EXPECT_FALSE(holds(page, "nan"));
  EXPECT_FALSE(holds(page, "inf"));
}

TEST(Comparison, TimesAndBytesReadWell) {
  EXPECT_EQ(time_text(33.14), "33.1 s");
  EXPECT_EQ(time_text(245), "4:05 min");
  EXPECT_EQ(time_text(3723), "1:02:03 h");
  EXPECT_EQ(bytes_text(16270000000), "16.27 GB");
  EXPECT_EQ(bytes_text(123400000), "123.4 MB");
}

TEST(Article, RatesFollowFromItsTimes) {
  for (const ArticleRun& run : kArticleRuns) {
    const double rows = run.gpus == 1 ? 52000 : 50000.0 * run.gpus;
    EXPECT_NEAR(run.rows_per_second, rows / (run.minutes * 60), 0.05) << run.method;
  }
}

}  // namespace
}  // namespace falconer::test
