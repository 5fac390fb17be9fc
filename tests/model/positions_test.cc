// The rotary table is as long as what is run, and longer only where that is needed.
#include <gtest/gtest.h>

#include "base/system.h"
#include "generate/generator.h"
#include "support/made_checkpoint.h"
#include "support/sanitized.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

/// A tiny checkpoint that claims `context` positions.
std::string with_context(const TinyRun& run, int64_t context) {
  auto config = nlohmann::json::parse(read_text_file(run.checkpoint + "/config.json"));
  config["max_position_embeddings"] = context;
  write_file(run.checkpoint + "/config.json", config.dump());
  return run.checkpoint;
}

std::vector<int32_t> ids_of(int64_t count) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(1 + i * 7 % 60));
  return ids;
}

double loss_of_row(Session& session, int64_t length) {
  const std::vector<int32_t> ids = ids_of(length);
  const BatchBuffer::Sequence sequence{.ids = ids, .labels = ids};
  return loss_of(session, BatchBuffer::for_training({&sequence, 1})).sum;
}

TEST(Positions, RowsGiveTheSameHoweverLongTheTableHasBecome) {
  const TinyRun run(TinyShape{.layers = 1});
  const std::string checkpoint = with_context(run, 8192);
  const auto fresh = Session::open({.checkpoint = checkpoint, .precision = Precision::kF32});
  const auto used = Session::open({.checkpoint = checkpoint, .precision = Precision::kF32});
  const double first = loss_of_row(*used, 40), longer = loss_of_row(*used, 2500);
  EXPECT_EQ(loss_of_row(*used, 40), first);
  EXPECT_EQ(loss_of_row(*fresh, 2500), longer);
  EXPECT_EQ(loss_of_row(*fresh, 40), first);
}

TEST(Positions, AnswersGoOnBeyondTheFirstPositions) {
  const TinyRun run(TinyShape{.layers = 1});
  const std::string checkpoint = with_context(run, 8192);
  const auto session = Session::open({.checkpoint = checkpoint, .precision = Precision::kF32});
  const std::vector<int32_t> prompt = ids_of(2040);
  const GenerateOptions options{
      .max_new_tokens = 20, .sampling = {.temperature = 0}, .ignore_eos = true};
  const Answer crossing = Generator(*session, nullptr).generate({prompt}, options).front();
  ASSERT_EQ(crossing.ids.size(), 20U);
  // The same tokens, given as a prompt to a model that has read nothing yet.
  std::vector<int32_t> known = prompt;
  known.insert(known.end(), crossing.ids.begin(), crossing.ids.end() - 1);
  const auto again = Session::open({.checkpoint = checkpoint, .precision = Precision::kF32});
  const GenerateOptions one{
      .max_new_tokens = 1, .sampling = {.temperature = 0}, .ignore_eos = true};
  EXPECT_EQ(Generator(*again, nullptr).generate({known}, one).front().ids.front(),
            crossing.ids.back());
}

TEST(Positions, AClaimedContextCostsNothing) {
  const TinyRun run(TinyShape{.layers = 1});
  const auto session = Session::open(
      {.checkpoint = with_context(run, int64_t{1} << 24), .precision = Precision::kF32});
  EXPECT_LT(session->plan().fixed, int64_t{1} << 22);
  const double start = now_seconds();
  EXPECT_GT(loss_of_row(*session, 3), 0);
  EXPECT_LT(now_seconds() - start, kSanitized ? 20 : 2);
}

/// A model with longrope: short sequences have other frequencies than those beyond 30 positions.
std::string with_longrope(const TempFolder& folder, const char* family) {
  return write_checkpoint(folder / family,
                          {.config = {{"model_type", family},
                                      {"intermediate_size", 48},
                                      {"num_key_value_heads", 2},
                                      {"max_position_embeddings", 2048},
                                      {"original_max_position_embeddings", 30},
                                      {"rope_scaling",
                                       {{"rope_type", "longrope"},
                                        {"factor", 4.0},
                                        {"short_factor", {1.0, 1.5, 2.0, 3.0}},
                                        {"long_factor", {3.0, 5.0, 9.0, 20.0}}}}}});
}

GenerateOptions greedy(int64_t count) {
  return {.max_new_tokens = count, .sampling = {.temperature = 0}, .ignore_eos = true};
}

/// Token by token, each time from the beginning and in one pass.
std::vector<int32_t> step_by_step(Session& session, std::vector<int32_t> ids, int64_t count) {
  std::vector<int32_t> made;
  for (int64_t i = 0; i < count; ++i) {
    const BatchBuffer::Sequence sequence{.ids = ids, .labels = ids};
    const Tensor all = logits_of(session, BatchBuffer::for_training({&sequence, 1}));
    const float* const last = all.view().row<float>(all.view().rows - 1);
    const auto next = static_cast<int32_t>(std::max_element(last, last + all.view().cols) - last);
    made.push_back(next);
    ids.push_back(next);
  }
  return made;
}

TEST(LongRope, EachPromptIsAnsweredAsItIsAlone) {
  const TempFolder folder;
  for (const char* family : {"phi3", "llama"}) {
    SCOPED_TRACE(family);
    const std::string checkpoint = with_longrope(folder, family);
    const auto open = [&] {
      return Session::open({.checkpoint = checkpoint, .precision = Precision::kF32});
    };
    // Short ones, one that goes beyond while it is answered, long ones, one that is read in parts.
    const std::vector<std::vector<int32_t>> prompts = {ids_of(5),  ids_of(45),  ids_of(12),
                                                       ids_of(25), ids_of(700), ids_of(30)};
    const auto together = open();
    const auto all = Generator(*together, nullptr).generate(prompts, greedy(16));
    for (size_t i = 0; i < prompts.size(); ++i) {
      const auto one = open();
      EXPECT_EQ(all[i].ids, Generator(*one, nullptr).generate({prompts[i]}, greedy(16))[0].ids)
          << prompts[i].size();
    }
  }
}

TEST(LongRope, RowsBesideEachOtherHaveTheirOwnFrequencies) {
  const TempFolder folder;
  const auto session =
      Session::open({.checkpoint = with_longrope(folder, "phi3"), .precision = Precision::kF32});
  const std::vector<int32_t> small = ids_of(20), large = ids_of(50);
  const std::vector<BatchBuffer::Sequence> both = {{.ids = small, .labels = small},
                                                   {.ids = large, .labels = large}};
  const Tensor together = logits_of(*session, BatchBuffer::for_training(both));
  const Tensor first = logits_of(*session, BatchBuffer::for_training({&both[0], 1}));
  const Tensor second = logits_of(*session, BatchBuffer::for_training({&both[1], 1}));
  EXPECT_LE(largest_difference(together.view().row_range(0, 20), first.view()), 1e-4);
  EXPECT_LE(largest_difference(together.view().row_range(20, 50), second.view()), 1e-4);
}

TEST(LongRope, AnAnswerOfPhiIsReadAgainWhereItGoesBeyondTheOriginalContext) {
  const TempFolder folder;
  const auto session =
      Session::open({.checkpoint = with_longrope(folder, "phi3"), .precision = Precision::kF32});
  // As transformers' generate() for Phi-3, which throws its cache away there.
  for (const int64_t length : {10, 29, 30, 31, 520})
    EXPECT_EQ(Generator(*session, nullptr).generate({ids_of(length)}, greedy(40))[0].ids,
              step_by_step(*session, ids_of(length), 40))
        << length;
}

}  // namespace
}  // namespace falconer::test
