#include "generate/sampling.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/file.h"
#include "support/paths.h"

namespace falconer::test {
namespace {

// Keeps out defect 20 of docs/defects.md.
TEST(Defects, TopKKeepsExactlyKOfEqualLogits) {
  const std::vector<float> equal(10, 1.5f);
  std::set<int32_t> drawn;
  for (uint64_t i = 0; i < 2000; ++i)
    drawn.insert(sample(equal, {.temperature = 1, .top_k = 3}, 0, i));
  EXPECT_EQ(drawn, (std::set<int32_t>{0, 1, 2}));
  // A tie at the threshold: one of the two that share it.
  const std::vector<float> tie = {0, 1, 0.5f, 0.5f};
  drawn.clear();
  for (uint64_t i = 0; i < 2000; ++i)
    drawn.insert(sample(tie, {.temperature = 1, .top_k = 2}, 0, i));
  EXPECT_EQ(drawn, (std::set<int32_t>{1, 2}));
}

// Probabilities that transformers leaves (tests/golden/make_sampling).
TEST(Sampling, EverySettingLeavesWhatTransformersLeaves) {
  const auto golden = nlohmann::json::parse(
      read_text_file(std::string(source_dir()) + "/tests/golden/data/sampling.json"));
  ASSERT_GE(golden["cases"].size(), 60u);
  for (const auto& one : golden["cases"]) {
    const auto& s = one["settings"];
    SamplingOptions options{.temperature = s.value("temperature", 1.0),
                            .top_k = s.value("top_k", 0),
                            .top_p = s.value("top_p", 1.0),
                            .min_p = s.value("min_p", 0.0),
                            .typical_p = s.value("typical_p", 1.0),
                            .repetition_penalty = s.value("repetition_penalty", 1.0),
                            .no_repeat_ngram_size = s.value("no_repeat_ngram_size", 0),
                            .logit_bias = {}};
    auto logits = one["logits"].get<std::vector<float>>();
    const auto history = one["history"].get<std::vector<int32_t>>();
    // What the prompt has and what the answer has count alike.
    const std::span<const int32_t> all = history;
    change_logits(logits, {all.first(9), all.subspan(9)}, options);
    std::vector<double> left(logits.size());
    double total = 0;
    for (const Candidate& c : candidates(logits, options)) total += left[c.id] = c.weight;
    const auto expected = one["left"].get<std::vector<double>>();
    for (size_t i = 0; i < left.size(); ++i)
      EXPECT_NEAR(left[i] / total, expected[i], 1e-6) << s << ", token " << i;
  }
}

// OpenAI's formula: off the logits of what the answer has, once and for each time; the prompt does not count.
TEST(Sampling, PenaltiesAndBiases) {
  std::vector<float> logits = {1, 2, 3, 4};
  const std::vector<int32_t> prompt = {0, 0}, answer = {2, 3, 3};
  change_logits(
      logits, {prompt, answer},
      {.presence_penalty = 0.5, .frequency_penalty = 0.25, .logit_bias = {{1, 7}, {99, 1}}});
  EXPECT_EQ(logits, (std::vector<float>{1, 9, 2.25f, 3}));
  logits = {1, 2};
  change_logits(logits, {{}, {}}, {.logit_bias = {{1, -1e300}}});
  EXPECT_EQ(most_likely(logits), 0) << "finite all the same";
}

TEST(Sampling, SomethingIsAlwaysLeft) {
  const std::vector<float> logits = {0, 0, 0, 0};
  for (const SamplingOptions& options :
       {SamplingOptions{.min_p = 1}, SamplingOptions{.typical_p = 1e-9},
        SamplingOptions{.top_p = 1e-9, .min_p = 1, .typical_p = 1e-9}})
    EXPECT_FALSE(candidates(logits, options).empty());
}

// The whole vocabulary is not sorted; what is drawn is what comes of sorting it.
TEST(Sampling, DrawsFromAllWhatItWouldDrawFromThemSorted) {
  const RandomStream random(2, RandomPurpose::kTest);
  uint64_t next = 0;
  const auto drawn_sorted = [](std::span<const float> logits, const SamplingOptions& options,
                               uint32_t stream, uint64_t index) {
    const std::vector<Candidate> left = candidates(logits, options);
    const RandomStream numbers(options.seed, RandomPurpose::kSample, stream);
    const double high = numbers.word(2 * index), low = numbers.word(2 * index + 1);
    double total = 0;
    for (const Candidate& one : left) total += one.weight;
    double rest = (high + low * 0x1p-32) * 0x1p-32 * total;
    for (const Candidate& one : left)
      if ((rest -= one.weight) < 0) return one.id;
    return left.back().id;
  };
  for (const float spread : {0.0f, 0.01f, 1.0f, 4.0f, 60.0f})
    for (const size_t vocab : {1, 2, 7, 1000, 9000})
      for (const double temperature : {0.01, 0.7, 1.0, 5.0}) {
        std::vector<float> logits(vocab);
        for (float& logit : logits) {
          logit = spread * random.normal(next++);
          if (random.below(next++, 5) == 0) logit = std::round(logit);  // equal ones
        }
        for (const double top_p : {1.0, 0.9, 0.2, 1e-9})
          for (const double min_p : {0.0, 0.05, 1.0}) {
            const SamplingOptions options{
                .temperature = temperature, .top_k = 0, .top_p = top_p, .min_p = min_p, .seed = 9};
            for (uint64_t index = 0; index < 5; ++index)
              ASSERT_EQ(sample(logits, options, 3, index), drawn_sorted(logits, options, 3, index))
                  << spread << " " << vocab << " " << temperature << " " << top_p << " " << min_p;
          }
      }
}

}  // namespace
}  // namespace falconer::test
