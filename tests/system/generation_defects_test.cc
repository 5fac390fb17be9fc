// What Lit-Parrot's and LitGPT's generation got wrong: see docs/defects.md.
#include <gtest/gtest.h>

#include <set>

#include "generate/sampling.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/tiny_session.h"

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

// Logits of the last of `ids`, token by token through a cache.
Tensor cached_logits(Session& session, const std::vector<int32_t>& ids) {
  const int64_t n = std::ssize(ids);
  KvCache cache(session.config(), 1, n, session.run().activation);
  Tensor row(1, 1, Dtype::kI32), logits(1, session.config().vocab, Dtype::kF32);
  for (int64_t i = 0; i < n; ++i) {
    const BatchBuffer::Continuation part{.ids = {&ids[static_cast<size_t>(i)], 1}, .past = i};
    const BatchBuffer buffer = BatchBuffer::for_generation({&part, 1}, n);
    const auto pass = [&](Run& run) {
      session.decoder().logits(run, buffer.batch(), row.view(), logits.view(), &cache);
    };
    session.reserve(pass);
    pass(session.run());
  }
  return logits;
}

// Keeps out defect 21 of docs/defects.md.
TEST(Defects, TheCacheHoldsTheActivationsDtypeAndChangesNoLogit) {
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    const TinyRun run({.init_std = 0.2});
    const auto session = Session::open({.checkpoint = run.checkpoint, .precision = precision});
    KvCache cache(session->config(), 1, 8, session->run().activation);
    EXPECT_EQ(cache.layer(0).k.view().dtype, session->run().activation);
    EXPECT_EQ(cache.layer(0).v.view().dtype, session->run().activation);
    const std::vector<int32_t> ids = {5, 9, 1, 44, 23, 17, 60, 2};
    const Tensor cached = cached_logits(*session, ids);
    const Tensor whole = logits_of(*session, batch_of({Row{.ids = ids, .labels = ids}}));
    const View last = whole.view().row_range(7, 1);
    double size = 0;
    for (int64_t v = 0; v < last.cols; ++v)
      size = std::max(size, std::fabs(static_cast<double>(last.row<float>(0)[v])));
    const double unit = precision == Precision::kF32 ? 1e-5 : 0x1p-6;
    EXPECT_LE(largest_difference(cached.view(), last), unit * size);
  }
}

// Keeps out defect 22 of docs/defects.md.
TEST(Defects, TheCacheHoldsGroupsAndNotHeads) {
  for (const bool grouped : {false, true}) {
    const TinyRun run({.grouped = grouped});
    const auto session = Session::open({.checkpoint = run.checkpoint});
    KvCache cache(session->config(), 3, 10, Dtype::kF32);
    EXPECT_EQ(cache.layer(0).k.view().size(), 3 * 10 * (grouped ? 2 : 1) * 8);
    EXPECT_EQ(cache.layer(0).v.view().size(), 3 * 10 * (grouped ? 2 : 1) * 8);
  }
}

// Keeps out defect 23 of docs/defects.md: the context is 64, and nothing rolls on behind it.
TEST(Defects, GenerationEndsWithTheContext) {
  const TinyRun run;
  Model model = Model::open({.checkpoint = run.checkpoint});
  const SamplingSettings greedy{.max_new_tokens = 100, .temperature = 0, .ignore_eos = true};
  const auto answers =
      model.generate({std::vector<int32_t>(60, 5), std::vector<int32_t>(63, 7)}, greedy);
  EXPECT_EQ(answers[0].ids.size(), 4u);
  EXPECT_EQ(answers[1].ids.size(), 1u);
  for (const Completion& answer : answers) EXPECT_EQ(answer.finish_reason, "length");
  expect_mentions(message_of([&] { model.generate({std::vector<int32_t>(64, 5)}, greedy); }),
                  {"64"});
}

// Keeps out defect 24 of docs/defects.md, in a model without any adapter.
TEST(Defects, TheBaseModelStopsAtEndOfText) {
  const TinyRun run({.init_std = 0.2});
  SamplingSettings greedy{.max_new_tokens = 6, .temperature = 0, .ignore_eos = true};
  const auto before =
      Model::open({.checkpoint = run.checkpoint}).generate({{5, 6, 7}}, greedy).front();
  ASSERT_EQ(before.ids.size(), 6u);
  // What it says first shall mean the end.
  const std::string config = run.checkpoint + "/config.json";
  auto json = nlohmann::json::parse(read_text_file(config));
  json["eos_token_id"] = before.ids.front();
  write_file(config, json.dump());
  greedy.ignore_eos = false;
  const auto after =
      Model::open({.checkpoint = run.checkpoint}).generate({{5, 6, 7}}, greedy).front();
  EXPECT_TRUE(after.ids.empty());
  EXPECT_EQ(after.finish_reason, "stop");
}

// Models are padded to more ids than their tokenizer has: such an id is no text, and no error.
TEST(Decoded, AnIdThatTheTokenizerLacksSaysNothing) {
  const TinyRun run({.vocab = 1000, .init_std = 0.2});
  const std::string demo = std::string(source_dir()) + "/demo/checkpoint/";
  for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
    write_file(run.checkpoint + "/" + file, read_text_file(demo + file));
  Model model = Model::open({.checkpoint = run.checkpoint});
  const auto answer =
      model.generate({{5, 6, 7}}, {.max_new_tokens = 50, .temperature = 10, .top_k = 0}).front();
  EXPECT_TRUE(std::any_of(answer.ids.begin(), answer.ids.end(), [](int32_t id) {
    return id >= 600;
  })) << "the test does not test what it should";
}

}  // namespace
}  // namespace falconer::test
