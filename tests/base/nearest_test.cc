#include "base/nearest.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "falconer/error.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

TEST(Nearest, ANameThatIsNearIsMeant) {
  EXPECT_EQ(nearest_name("finetun", {"merge", "finetune", "plan"}), "finetune");
  EXPECT_EQ(nearest_name("xyzzy", {"merge", "finetune"}), "");
  EXPECT_EQ(did_you_mean("pln", {"plan"}), "; did you mean plan?");
  EXPECT_EQ(did_you_mean("x", {}), "");
}

TEST(NotFound, TheNearestNameOfTheFolderIsMeant) {
  const TempFolder folder;
  make_folder(folder / "data");
  write_file(folder / "data" / "support.jsonl", "x");
  const auto text = [&](const char* path) { return not_found_text(folder / path, "rows"); };
  EXPECT_EQ(text("data/suport.jsonl"),
            "no such file; did you mean " + (folder / "data/support.jsonl").string() + "?");
  // The mistake may stand before the last name.
  EXPECT_EQ(text("dta/support.jsonl"),
            "no such file; did you mean " + (folder / "data/support.jsonl").string() + "?");
  EXPECT_EQ(text("data/other"), "no such folder; expected rows");
  EXPECT_EQ(text("elsewhere/rows.jsonl"),
            "no such file: there is no " + (folder / "elsewhere").string() + "; expected rows");
  EXPECT_NE(not_found_text("~/rows.jsonl", "rows").find("home"), std::string::npos);
}

TEST(Nearest, NeighboursThatChangedPlacesAreOneMistake) {
  EXPECT_EQ(nearest_name("lroa", {"lora", "full"}, 1), "lora");
  EXPECT_EQ(nearest_name("modle", {"model", "data"}, 1), "model");
  EXPECT_EQ(nearest_name("f16", {"f32"}, 1), "");
}

TEST(Nearest, AChoiceSaysWhatThereIsAndWhatWasMeant) {
  EXPECT_EQ(not_one_of("lroa", {"lora", "full"}),
            "is \"lroa\", expected one of lora, full; did you mean lora?");
  EXPECT_EQ(not_one_of("xyz", {"cpu", "cuda"}, {"cuda:N"}),
            "is \"xyz\", expected one of cpu, cuda, cuda:N");
  EXPECT_NE(not_one_of("Adapter_V2", {"adapter", "adapter-v2"}).find("mean adapter-v2?"),
            std::string::npos);
  try {
    fail_choice("--log", "inof", {"info", "debug"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_STREQ(error.what(),
                 "--log is \"inof\", expected one of info, debug; did you mean info?");
  }
}

TEST(NotFound, WhatMayBeAPathIsLookedForAsOne) {
  const TempFolder folder;
  make_folder(folder / "out/lora");
  EXPECT_EQ(did_you_mean_path(folder / "outt/lora"),
            "; did you mean " + (folder / "out/lora").string() + "?");
  EXPECT_EQ(did_you_mean_path(folder / "out/lroa/final"),
            "; did you mean " + (folder / "out/lora").string() + "?");
  EXPECT_EQ(did_you_mean_path(folder / "elsewhere/lora"), "");
}

}  // namespace
}  // namespace falconer::test
