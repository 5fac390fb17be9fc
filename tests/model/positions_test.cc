// The rotary table is as long as what is run, and longer only where that is needed.
#include <gtest/gtest.h>

#include "base/system.h"
#include "generate/generator.h"
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

}  // namespace
}  // namespace falconer::test
