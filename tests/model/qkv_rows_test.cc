#include "model/qkv_rows.h"

#include <gtest/gtest.h>

namespace falconer::test {
namespace {

std::vector<int64_t> rows_of(const std::vector<RowRange>& order) {
  std::vector<int64_t> rows;
  for (const RowRange& range : order)
    for (int64_t i = 0; i < range.count; ++i) rows.push_back(range.begin + i);
  return rows;
}

ModelConfig shape(int64_t heads, int64_t groups, int64_t size) {
  ModelConfig config;
  config.heads = heads;
  config.groups = groups;
  config.head_size = size;
  return config;
}

TEST(QkvRows, TheTwoOrdersUndoEachOther) {
  for (const auto& [heads, groups, size] :
       {std::tuple(4, 2, 3), std::tuple(6, 3, 1), std::tuple(5, 5, 2), std::tuple(8, 2, 8)}) {
    const ModelConfig config = shape(heads, groups, size);
    const auto there = rows_of(ours_in_parts(config)), back = rows_of(parts_in_ours(config));
    ASSERT_EQ(static_cast<int64_t>(there.size()), config.qkv_rows());
    ASSERT_EQ(there.size(), back.size());
    for (size_t i = 0; i < there.size(); ++i)
      EXPECT_EQ(there[static_cast<size_t>(back[i])], static_cast<int64_t>(i));
  }
}

TEST(QkvRows, PartsAreAllQueriesThenKeysThenValues) {
  // Two groups of one query, a key, a value, each of one row: q k v q k v.
  EXPECT_EQ(rows_of(ours_in_parts(shape(2, 2, 1))), (std::vector<int64_t>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(rows_of(parts_in_ours(shape(2, 2, 1))), (std::vector<int64_t>{0, 2, 4, 1, 3, 5}));
}

TEST(QkvRows, OneGroupIsInOrderAlready) {
  EXPECT_TRUE(ours_in_parts(shape(71, 1, 64)).empty());
  EXPECT_TRUE(parts_in_ours(shape(71, 1, 64)).empty());
}

}  // namespace
}  // namespace falconer::test
