// Decoding with cached keys and values gives the logits of the whole; and what is decoded together
// does not change an answer by a bit: each sequence of a batch has the logits that it has alone.
#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include "support/tiny_session.h"

namespace falconer::test {
namespace {

TinyShape wide(bool grouped) {
  return {.layers = 3, .width = 128, .heads = 4, .grouped = grouped, .init_std = 0.1};
}

/// The logits of the second tokens of sequences, which are decoded together.
Tensor decoded(Session& session, const std::vector<int32_t>& ids) {
  const int64_t n = static_cast<int64_t>(ids.size());
  KvCache cache(session.decoder(), n, session.run().activation);
  std::vector<int32_t> pages;  // one for each, in another order
  for (int64_t i = 0; i < n; ++i) pages.push_back(static_cast<int32_t>(n - 1 - i));
  Tensor rows(1, n, Dtype::kI32), logits(n, session.config().vocab, Dtype::kF32);
  for (int64_t past = 0; past < 2; ++past) {
    std::vector<BatchBuffer::Continuation> parts;
    for (int64_t i = 0; i < n; ++i) {
      rows.view().row<int32_t>(0)[i] = static_cast<int32_t>(i);
      parts.push_back({.ids = {&ids[static_cast<size_t>(i)], 1},
                       .pages = {&pages[static_cast<size_t>(i)], 1},
                       .past = past});
    }
    const BatchBuffer batch = BatchBuffer::for_generation(parts);
    const auto pass = [&](Run& run) {
      session.decoder().logits(run, batch.batch(), rows.view(), logits.view(), &cache);
    };
    session.reserve(pass);
    pass(session.run());
  }
  return logits;
}

TEST(Decoding, GivesASequenceTheBitsThatItHasAlone) {
  for (const bool grouped : {false, true}) {
    const TinyRun run(wide(grouped));
    for (const MethodOptions& method : all_methods())
      for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
        const auto session = open_training(run, method, precision);
        move_away(*session, batch_of(rows_of(run)));
        session->run().training = false;
        std::vector<int32_t> ids;
        for (int32_t i = 0; i < 32; ++i) ids.push_back(1 + i * 7 % 60);
        std::vector<Tensor> alone;
        for (const int32_t id : ids) alone.push_back(decoded(*session, {id}));
        for (const size_t n : {2, 7, 8, 9, 17, 32}) {
          const Tensor all =
              decoded(*session, {ids.begin(), ids.begin() + static_cast<int64_t>(n)});
          for (size_t i = 0; i < n; ++i)
            EXPECT_TRUE(
                same_bytes(all.view().row_range(static_cast<int64_t>(i), 1), alone[i].view()))
                << name_of(method) << (precision == Precision::kF32 ? " f32" : " bf16")
                << (grouped ? " grouped" : "") << ": sequence " << i << " of " << n << ", off by "
                << largest_difference(all.view().row_range(static_cast<int64_t>(i), 1),
                                      alone[i].view());
        }
      }
  }
}

TEST(Decoding, AnswersManyPromptsAsEachAlone) {
  const TinyRun run(wide(false));
  for (const char* precision : {"f32", "bf16"}) {
    Model model = Model::open({.checkpoint = run.checkpoint, .precision = precision});
    const SamplingSettings greedy{.max_new_tokens = 24, .temperature = 0, .ignore_eos = true};
    std::vector<std::vector<int32_t>> prompts;
    for (int32_t i = 0; i < 75; ++i) {
      prompts.emplace_back();
      for (int32_t k = 0; k <= i % 36; ++k) prompts.back().push_back(1 + (i * 11 + k * k) % 60);
    }
    const auto together = model.generate(prompts, greedy);
    for (size_t i = 0; i < prompts.size(); ++i)
      EXPECT_EQ(together[i].ids, model.generate({prompts[i]}, greedy)[0].ids)
          << precision << ", prompt " << i;
  }
}

// Logits of the last of `ids`, token by token through a cache.
Tensor cached_logits(Session& session, const std::vector<int32_t>& ids) {
  const int64_t n = std::ssize(ids);
  KvCache cache(session.decoder(), 3, session.run().activation);
  const int32_t page = 2;
  Tensor row(1, 1, Dtype::kI32), logits(1, session.config().vocab, Dtype::kF32);
  for (int64_t i = 0; i < n; ++i) {
    const BatchBuffer::Continuation part{
        .ids = {&ids[static_cast<size_t>(i)], 1}, .pages = {&page, 1}, .past = i};
    const BatchBuffer buffer = BatchBuffer::for_generation({&part, 1});
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
    KvCache cache(session->decoder(), 1, session->run().activation);
    EXPECT_EQ(cache.layer(0).front().k.view().dtype, session->run().activation);
    EXPECT_EQ(cache.layer(0).front().v.view().dtype, session->run().activation);
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
    KvCache cache(session->decoder(), 3, Dtype::kF32);
    EXPECT_EQ(cache.layer(0).front().k.view().size(), 3 * kPageRows * (grouped ? 2 : 1) * 8);
    EXPECT_EQ(cache.layer(0).front().v.view().size(), 3 * kPageRows * (grouped ? 2 : 1) * 8);
  }
}

}  // namespace
}  // namespace falconer::test
