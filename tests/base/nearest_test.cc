#include "base/nearest.h"

#include <gtest/gtest.h>

#include "base/file.h"
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

}  // namespace
}  // namespace falconer::test
