#include "ops/cuda/product_choices.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

TEST(ProductChoices, AreKeptFromRunToRunAndByDevice) {
  const TempFolder folder;
  {
    ProductChoices choices(folder.path() / "cache", "H100 PCIe-130000");
    EXPECT_EQ(choices.find("a_1"), -1);
    choices.add("a_1", 3);
    choices.add("b_2", 0);
    EXPECT_EQ(choices.find("a_1"), 3);
  }
  const ProductChoices again(folder.path() / "cache", "H100 PCIe-130000");
  EXPECT_EQ(again.find("a_1"), 3);
  EXPECT_EQ(again.find("b_2"), 0);
  EXPECT_EQ(ProductChoices(folder.path() / "cache", "A100-130000").find("a_1"), -1);
}

TEST(ProductChoices, LinesThatAreNoneAreLeftOut) {
  const TempFolder folder;
  write_file(folder / "products-x.txt", "good 2\nnegative -1\nlong 1 2\nword word\n\ncut");
  const ProductChoices choices(folder.path(), "x");
  EXPECT_EQ(choices.find("good"), 2);
  for (const char* key : {"negative", "long", "word", "cut"}) EXPECT_EQ(choices.find(key), -1);
}

TEST(ProductChoices, NoFolderIsNoError) {
  ProductChoices choices({}, "x");
  choices.add("a", 1);
  EXPECT_EQ(choices.find("a"), 1);
  ProductChoices unwritable("/proc/none", "x");
  unwritable.add("a", 1);
  EXPECT_EQ(unwritable.find("a"), 1);
}

}  // namespace
}  // namespace falconer::test
