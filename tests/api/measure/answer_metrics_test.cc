// Figures of SQuAD's official script (evaluate-v2.0.py) and of rouge_score 0.1.2.
#include "api/measure/answer_metrics.h"

#include <gtest/gtest.h>

#include "api/measure/bootstrap.h"

namespace falconer::test {
namespace {

TEST(AnswerMetrics, F1IsOfTheTokensWithoutArticlesAndPunctuation) {
  EXPECT_DOUBLE_EQ(token_f1("The Eiffel Tower!", "eiffel tower"), 1);
  EXPECT_DOUBLE_EQ(token_f1("a tower", "an Eiffel tower"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(token_f1("x x y", "x z"), 0.4);  // a token counts as often as both have it
  EXPECT_DOUBLE_EQ(token_f1("well-known", "wellknown"), 1);
  EXPECT_DOUBLE_EQ(token_f1("the\u2014end", "\u2014end"), 1);  // a word ends there
  EXPECT_DOUBLE_EQ(token_f1("theatre", "atre"), 0);
  EXPECT_DOUBLE_EQ(token_f1("GR\u00DCN", "gr\u00FCn"), 1);
  EXPECT_DOUBLE_EQ(token_f1("", "the"), 1);
  EXPECT_DOUBLE_EQ(token_f1("", "x"), 0);
}

TEST(AnswerMetrics, RougeLIsOfTheLongestCommonSubsequence) {
  EXPECT_DOUBLE_EQ(rouge_l("the cat sat", "the cat sat"), 1);
  // rouge_score: precision 3/4, recall 3/5.
  EXPECT_DOUBLE_EQ(rouge_l("police killed the gunman", "police  ended the gunman's"), 2.0 * 3 / 9);
  EXPECT_DOUBLE_EQ(rouge_l("b a", "a b"), 0.5);
  EXPECT_DOUBLE_EQ(rouge_l("", "a"), 0);
  EXPECT_DOUBLE_EQ(rouge_l("\u00FC", "\u00FC"), 0);  // it has no tokens there
}

TEST(AnswerMetrics, AnIntervalHoldsTheMeanAndIsTheSameForASeed) {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(i % 4 == 0 ? 1 : 0);
  const Estimate one = bootstrap(values, 1), again = bootstrap(values, 1);
  EXPECT_DOUBLE_EQ(one.mean, 0.25);
  EXPECT_EQ(one.low, again.low);
  EXPECT_EQ(one.high, again.high);
  // 1.96 standard errors of a share are 4.2 points here.
  EXPECT_NEAR(one.low, 0.25 - 0.042, 0.01);
  EXPECT_NEAR(one.high, 0.25 + 0.042, 0.01);
  const std::vector<double> same(10, 0.5);
  EXPECT_EQ(bootstrap(same, 7).low, 0.5);
  EXPECT_EQ(bootstrap(same, 7).high, 0.5);
  EXPECT_EQ(bootstrap({}, 7).mean, 0);
}

}  // namespace
}  // namespace falconer::test
