#include "ranks/ranks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "ranks/thread_transport.h"

namespace falconer {
namespace {

// Numbers whose sum depends on its order.
float rank_value(int rank, int64_t i) {
  return std::sin(static_cast<float>(i * 7 + rank * 131 + 1)) *
         std::pow(10.0f, static_cast<float>((i + rank) % 9 - 4));
}

std::vector<float> values_of_rank(int rank, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) values[static_cast<size_t>(i)] = rank_value(rank, i);
  return values;
}

bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

class RanksOf : public ::testing::TestWithParam<int> {};

// Fewer elements than ranks, pieces that differ, several chunks.
constexpr int64_t kSizes[] = {0, 1, 255, 256, 257, 1000, 70'000, 2'000'003};

TEST_P(RanksOf, GatherGivesAllPieces) {
  on_ranks(GetParam(), [](Ranks& ranks) {
    for (const int64_t n : kSizes) {
      const Pieces pieces{.n = n, .ranks = ranks.size()};
      std::vector<float> whole(static_cast<size_t>(n), -1);
      for (int64_t i = pieces.begin(ranks.rank()); i < pieces.begin(ranks.rank() + 1); ++i)
        whole[static_cast<size_t>(i)] = rank_value(0, i);
      ranks.wait(ranks.gather(whole.data(), pieces, sizeof(float)));
      EXPECT_TRUE(same_bytes(whole, values_of_rank(0, n))) << n;
    }
  });
}

TEST_P(RanksOf, ReduceSumsInTheOrderOfRanks) {
  on_ranks(GetParam(), [](Ranks& ranks) {
    for (const int64_t n : kSizes) {
      const Pieces pieces{.n = n, .ranks = ranks.size()};
      const int64_t begin = pieces.begin(ranks.rank()), count = pieces.count(ranks.rank());
      const std::vector<float> whole = values_of_rank(ranks.rank(), n);
      std::vector<float> home(static_cast<size_t>(count), 0.25f), expected = home;
      for (int64_t i = 0; i < count; ++i) {
        float sum = rank_value(0, begin + i);
        for (int r = 1; r < ranks.size(); ++r) sum += rank_value(r, begin + i);
        expected[static_cast<size_t>(i)] += sum;
      }
      ranks.wait(ranks.reduce(whole.data(), pieces, home.data()));
      EXPECT_TRUE(same_bytes(home, expected)) << n;
    }
  });
}

TEST_P(RanksOf, CallsAreDoneInTheirOrder) {
  on_ranks(GetParam(), [](Ranks& ranks) {
    const Pieces pieces{.n = 3000, .ranks = ranks.size()};
    const auto own = static_cast<size_t>(pieces.count(ranks.rank()));
    std::vector<float> whole(3000), ones(3000, 1);
    // What the first adds to the piece is what the second gathers, and that is what the third adds.
    float* const piece = whole.data() + pieces.begin(ranks.rank());
    ranks.reduce(ones.data(), pieces, piece);
    ranks.gather(whole.data(), pieces, sizeof(float));
    std::vector<float> home(own);
    ranks.wait(ranks.reduce(whole.data(), pieces, home.data()));
    const auto all = static_cast<float>(ranks.size());
    EXPECT_EQ(whole, std::vector<float>(3000, all));
    EXPECT_EQ(home, std::vector<float>(own, all * all));
  });
}

TEST_P(RanksOf, NumbersTextsAndBytes) {
  on_ranks(GetParam(), [](Ranks& ranks) {
    const double mine[] = {ranks.rank() * 1.5, 7};
    const std::vector<double> numbers = ranks.gather_numbers(mine);
    ASSERT_EQ(numbers.size(), 2u * static_cast<size_t>(ranks.size()));
    for (int r = 0; r < ranks.size(); ++r) EXPECT_EQ(numbers[2 * static_cast<size_t>(r)], r * 1.5);
    EXPECT_TRUE(ranks.gather_numbers({}).empty());

    // Rank 0's is empty.
    const std::vector<std::string> texts =
        ranks.gather_texts(std::string(static_cast<size_t>(ranks.rank()), 'a'));
    ASSERT_EQ(texts.size(), static_cast<size_t>(ranks.size()));
    for (size_t r = 0; r < texts.size(); ++r) EXPECT_EQ(texts[r], std::string(r, 'a'));

    std::vector<std::byte> bytes(100'000, static_cast<std::byte>(ranks.rank()));
    ranks.broadcast(bytes);
    EXPECT_EQ(bytes, std::vector<std::byte>(100'000));
    ranks.barrier();
  });
}

TEST_P(RanksOf, CountsWhatItSent) {
  on_ranks(GetParam(), [](Ranks& ranks) {
    const Pieces pieces{.n = 70'000, .ranks = ranks.size()};
    std::vector<float> whole(70'000), home(70'000);
    const int64_t own = pieces.count(ranks.rank()) * 4, others = ranks.size() - 1;
    ranks.wait(ranks.gather(whole.data(), pieces, sizeof(float)));
    EXPECT_EQ(ranks.sent_bytes(), own * others);
    ranks.wait(ranks.reduce(whole.data(), pieces, home.data()));
    EXPECT_EQ(ranks.sent_bytes(), own * others + (others > 0 ? 280'000 - own : 0));
    EXPECT_GE(ranks.waited_seconds(), 0);
  });
}

INSTANTIATE_TEST_SUITE_P(Counts, RanksOf, ::testing::Values(1, 2, 3, 4, 6, 7),
                         [](const auto& tested) { return std::to_string(tested.param); });

TEST(Ranks, ErrorIsThrownByTheNextWaitAndNamesWhoIsMissing) {
  on_ranks(
      3,
      [](Ranks& ranks) {
        if (ranks.rank() == 1) return;  // and its transport does not wait for others
        std::vector<float> whole(3000), home(3000);
        const Pieces pieces{.n = 3000, .ranks = 3};
        ranks.gather(whole.data(), pieces, sizeof(float));
        const Ranks::Ticket last = ranks.reduce(whole.data(), pieces, home.data());
        for (int times = 0; times < 2; ++times) try {
            ranks.wait(times == 0 ? last : 0);
            FAIL() << "no error";
          } catch (const Error& error) {
            // Of the two, one waits for the other at times, where that came late.
            EXPECT_NE(std::string(error.what()).find(" 1"), std::string::npos) << error.what();
          }
        EXPECT_THROW(ranks.barrier(), Error);
      },
      0.5);
}

TEST(Ranks, AnErrorOfJoiningIsTheConstructors) {
  EXPECT_THROW(Ranks([]() -> std::unique_ptr<Transport> { throw Error("no MPI here"); }), Error);
}

TEST(Ranks, AbortGoesToTheTransport) {
  on_ranks(1, [](Ranks& ranks) { EXPECT_THROW(ranks.abort(3), ThreadTransport::Aborted); });
}

TEST(Pieces, CoverAllAndBeginAtBlocks) {
  for (const int ranks : {1, 2, 3, 4, 6, 7, 64})
    for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{256}, int64_t{257}, int64_t{4544 * 71},
                            int64_t{65024} * 4544}) {
      const Pieces pieces{.n = n, .ranks = ranks};
      int64_t all = 0, most = 0, least = n;
      for (int r = 0; r < ranks; ++r) {
        EXPECT_EQ(pieces.begin(r), all);
        EXPECT_TRUE(all % kPieceBlock == 0 || all == n);
        all += pieces.count(r);
        most = std::max(most, pieces.count(r));
        least = std::min(least, pieces.count(r));
      }
      EXPECT_EQ(all, n);
      EXPECT_LE(most - least, 2 * kPieceBlock);
    }
}

}  // namespace
}  // namespace falconer
