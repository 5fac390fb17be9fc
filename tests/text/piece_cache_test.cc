#include "text/piece_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace falconer::test {
namespace {

const std::vector<int32_t> kIds = {7, 8};

TEST(PieceCache, FindsWhatTheSameOwnerStored) {
  PieceCache cache;
  for (size_t n = 1; n <= PieceCache::kLongest; ++n) {
    const std::string piece(n, 'a');
    EXPECT_EQ(cache.find(1, piece), nullptr) << n;
    cache.store(1, piece, kIds);
    ASSERT_NE(cache.find(1, piece), nullptr) << n;
    EXPECT_EQ(cache.find(1, piece)->count, 2);
    EXPECT_EQ(cache.find(1, piece)->ids[1], 8);
    EXPECT_EQ(cache.find(2, piece), nullptr) << "another tokenizer's";
  }
}

TEST(PieceCache, TellsPiecesApartByEveryByteAndByLength) {
  PieceCache cache;
  for (size_t n = 1; n <= PieceCache::kLongest; ++n)
    for (size_t changed = 0; changed < n; ++changed) {
      const std::string zeros(n, '\0');
      std::string other = zeros;
      other[changed] = 'b';
      cache.store(1, zeros, kIds);
      EXPECT_EQ(cache.find(1, other), nullptr) << n << " " << changed;
      if (n > 1) {
        EXPECT_EQ(cache.find(1, zeros.substr(1)), nullptr) << n;
      }
      cache.store(1, other, kIds);
      EXPECT_EQ(cache.find(1, other.substr(0, changed) + 'c' + other.substr(changed + 1)), nullptr);
      cache = PieceCache();
    }
}

TEST(PieceCache, KeepsNoMoreTokensThanFitAndNoTokensToo) {
  PieceCache cache;
  cache.store(1, "long", std::vector<int32_t>(PieceCache::kMostTokens + 1));
  EXPECT_EQ(cache.find(1, "long"), nullptr);
  cache.store(1, "most", std::vector<int32_t>(PieceCache::kMostTokens, 3));
  ASSERT_NE(cache.find(1, "most"), nullptr);
  EXPECT_EQ(cache.find(1, "most")->tokens().size(), PieceCache::kMostTokens);
  cache.store(1, "none", {});  // bytes that have no token
  ASSERT_NE(cache.find(1, "none"), nullptr);
  EXPECT_TRUE(cache.find(1, "none")->tokens().empty());
}

TEST(PieceCache, NeverGivesTheTokensOfAnotherPiece) {
  PieceCache cache;
  // More pieces than there are places: each is either forgotten or right.
  const auto spelling = [](int32_t i) { return "piece" + std::to_string(i); };
  const int32_t n = 100000;
  for (int32_t i = 0; i < n; ++i) cache.store(1, spelling(i), std::vector<int32_t>{i});
  int32_t found = 0;
  for (int32_t i = 0; i < n; ++i)
    if (const auto* entry = cache.find(1, spelling(i))) {
      EXPECT_EQ(entry->ids[0], i);
      ++found;
    }
  EXPECT_GT(found, 1000);
}

}  // namespace
}  // namespace falconer::test
