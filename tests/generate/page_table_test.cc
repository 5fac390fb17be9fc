// Pages against a plain list of what everybody holds.
#include "generate/page_table.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace falconer::test {
namespace {

std::vector<int32_t> ids_of(const std::string& letters) {
  std::vector<int32_t> ids;
  for (const char letter : letters)
    for (int64_t i = 0; i < kPageRows; ++i) ids.push_back(letter);
  return ids;
}

std::vector<int32_t> take(PageTable& table, int64_t count) {
  std::vector<int32_t> pages;
  for (int64_t i = 0; i < count; ++i) pages.push_back(table.take().value());
  return pages;
}

TEST(PageTable, SharesWhatIsKeptUnderAKey) {
  PageTable table(6);
  const std::vector<int32_t> ids = ids_of("abc"), pages = take(table, 3);
  table.keep("x", ids, pages);
  EXPECT_EQ(table.find("y", ids, 9).pages, std::vector<int32_t>{});
  EXPECT_EQ(table.find("x", ids_of("abd"), 9).pages, (std::vector<int32_t>{pages[0], pages[1]}));
  EXPECT_EQ(table.find("x", ids, 1).pages, (std::vector<int32_t>{pages[0]}));
  EXPECT_EQ(table.find("x", std::span(ids).first(kPageRows * 2 - 1), 9).pages,
            (std::vector<int32_t>{pages[0]}));
  EXPECT_EQ(table.kept(), 3);
  EXPECT_EQ(table.available(), 3);
}

TEST(PageTable, ForgetsTheLastPageThatWasUsedLongestAgo) {
  PageTable table(4);
  const std::vector<int32_t> first = take(table, 2), second = take(table, 2);
  table.keep("x", ids_of("ab"), first);
  table.keep("x", ids_of("cd"), second);
  EXPECT_EQ(table.take(), std::nullopt) << "all have holders";
  for (const int32_t page : {first[0], first[1], second[0], second[1]}) table.release(page);
  EXPECT_EQ(table.available(), 4);
  for (const int32_t page : table.find("x", ids_of("ab"), 9).pages) table.release(page);
  EXPECT_EQ(table.take(), second[1]);
  EXPECT_EQ(table.find("x", ids_of("cd"), 9).pages, (std::vector<int32_t>{second[0]}));
  EXPECT_EQ(table.take(), first[1]);
  EXPECT_EQ(table.take(), first[0]);
  EXPECT_EQ(table.take(), std::nullopt);
}

TEST(PageTable, ForgetsAKeysPagesAndThoseInUseWhenTheyAreReleased) {
  PageTable table(3);
  const std::vector<int32_t> pages = take(table, 2);
  table.keep("a\n1", ids_of("ab"), pages);
  table.release(pages[1]);
  table.forget("a\n");
  EXPECT_EQ(table.kept(), 0);
  EXPECT_EQ(table.available(), 2);
  EXPECT_EQ(table.find("a\n1", ids_of("ab"), 9).pages, std::vector<int32_t>{});
  table.release(pages[0]);
  EXPECT_EQ(table.available(), 3);
}

TEST(PageTable, SharesABeginningUpToAStateOfIt) {
  PageTable table(4, 3);
  const std::vector<int32_t> pages = take(table, 3);
  table.keep("x", ids_of("abc"), pages);
  EXPECT_EQ(table.find("x", ids_of("abc"), 9).known, 3);
  EXPECT_EQ(table.find("x", ids_of("abc"), 9).pages, std::vector<int32_t>{}) << "no state is kept";
  const int32_t state = *table.take_state();
  table.keep_state("x", ids_of("abc"), 2, state);
  const PageTable::Beginning found = table.find("x", ids_of("abc"), 9);
  EXPECT_EQ(found.pages, (std::vector<int32_t>{pages[0], pages[1]}));
  EXPECT_EQ(found.state, state);
  EXPECT_EQ(found.known, 3);
  EXPECT_EQ(table.find("x", ids_of("ab"), 1).pages, std::vector<int32_t>{})
      << "it stands behind two";
  // One of its own for the same place goes back; a state that is kept is given out last.
  table.keep_state("x", ids_of("ab"), 2, *table.take_state());
  table.keep_state("y", ids_of("ab"), 2, *table.take_state());
  EXPECT_EQ(table.find("x", ids_of("ab"), 9).state, state);
  EXPECT_NE(table.take_state(), state);
  EXPECT_NE(table.take_state(), state);
  EXPECT_EQ(table.take_state(), state);
  EXPECT_EQ(table.take_state(), std::nullopt);
  EXPECT_EQ(table.find("x", ids_of("ab"), 9).state, -1);
}

TEST(PageTable, StatesGoWithTheirPages) {
  PageTable table(2, 1);
  const std::vector<int32_t> pages = take(table, 2);
  table.keep("x", ids_of("ab"), pages);
  table.keep_state("x", ids_of("ab"), 2, *table.take_state());
  for (const int32_t page : pages) table.release(page);
  EXPECT_EQ(table.take(), pages[1]) << "of a beginning that nobody has any more";
  EXPECT_EQ(table.find("x", ids_of("ab"), 9).state, -1);
  table.keep_state("x", ids_of("ab"), 1, *table.take_state());
  table.forget("x");
  EXPECT_EQ(table.take_state(), 0);
}

// Prompts of few letters come and go. Whatever is found holds what it was kept for, nobody's page is given out while it
// is held, and at the end all pages are there.
TEST(PageTable, NeverGivesOutAPageThatIsHeld) {
  constexpr int64_t kPages = 12;
  PageTable table(kPages);
  std::vector<std::string> content(
      kPages);  // what was written to each: its letter and all before it
  struct Holder {
    std::string key, letters;
    std::vector<int32_t> pages;
  };
  std::vector<Holder> holders;
  const RandomStream random(1, RandomPurpose::kTest);
  uint64_t next = 0;
  int64_t found = 0, full = 0;
  for (int step = 0; step < 20000; ++step) {
    const auto pick = [&](int64_t n) {
      return static_cast<int64_t>(random.below(next++, static_cast<uint64_t>(n)));
    };
    if (!holders.empty() && pick(2) == 0) {
      const auto at = holders.begin() + pick(std::ssize(holders));
      for (const int32_t page : at->pages) table.release(page);
      holders.erase(at);
      continue;
    }
    if (pick(200) == 0) table.forget("k" + std::to_string(pick(2)));
    Holder made{.key = "k" + std::to_string(pick(2)), .letters = {}, .pages = {}};
    for (int64_t i = pick(5); i >= 0; --i) made.letters += static_cast<char>('a' + pick(2));
    const std::vector<int32_t> ids = ids_of(made.letters);
    made.pages = table.find(made.key, ids, 9).pages;
    found += std::ssize(made.pages);
    for (size_t i = 0; i < made.pages.size(); ++i)
      ASSERT_EQ(content[static_cast<size_t>(made.pages[i])],
                made.key + made.letters.substr(0, i + 1));
    bool whole = true;
    while (made.pages.size() < made.letters.size()) {
      const auto page = table.take();
      if (!page) {
        ++full;
        whole = false;
        break;
      }
      for (const Holder& other : holders)
        ASSERT_EQ(std::count(other.pages.begin(), other.pages.end(), *page), 0);
      made.pages.push_back(*page);
      content[static_cast<size_t>(*page)] = made.key + made.letters.substr(0, made.pages.size());
    }
    if (whole) table.keep(made.key, ids, made.pages);
    holders.push_back(std::move(made));
  }
  EXPECT_GT(found, 1000);
  EXPECT_GT(full, 100);
  for (const Holder& holder : holders)
    for (const int32_t page : holder.pages) table.release(page);
  EXPECT_EQ(table.available(), kPages);
}

}  // namespace
}  // namespace falconer::test
