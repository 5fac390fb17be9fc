// Where the golden data lies, if it is there at all.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "support/paths.h"

namespace falconer::test {

/// Goldens made by other implementations, kept beside the checkout; FALCONER_GOLDENS overrides the
/// place.
inline std::filesystem::path goldens() {
  if (const char* set = std::getenv("FALCONER_GOLDENS")) return set;
  return std::filesystem::path(source_dir()).parent_path() / "shared" / "goldens";
}

}  // namespace falconer::test

/// Ends the test as skipped, never as passed, where the goldens are missing.
#define SKIP_WITHOUT_GOLDENS()                             \
  if (!std::filesystem::exists(falconer::test::goldens())) \
  GTEST_SKIP() << "no goldens at " << falconer::test::goldens()
