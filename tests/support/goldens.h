// Where the numbers of other implementations lie.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "support/paths.h"

namespace falconer::test {

/// The folders that hold goldens: tests/golden/data of the checkout and, with all of them, the one beside
/// it. FALCONER_GOLDENS names another in the place of both.
inline std::vector<std::filesystem::path> golden_roots() {
  const std::filesystem::path checkout = source_dir();
  if (const char* set = std::getenv("FALCONER_GOLDENS")) return {set};
  return {checkout / "tests/golden/data", checkout.parent_path() / "shared/goldens"};
}

/// `name` ("models/falconrw-tiny") in the first folder that has it; in the last where none has.
inline std::filesystem::path golden(const std::filesystem::path& name) {
  std::filesystem::path path;
  for (const std::filesystem::path& root : golden_roots())
    if (std::filesystem::exists(path = root / name)) break;
  return path;
}

}  // namespace falconer::test

/// Ends the test as skipped, never as passed, where `name` is nowhere.
#define SKIP_WITHOUT_GOLDEN(name) \
  if (!std::filesystem::exists(falconer::test::golden(name))) GTEST_SKIP() << "no golden " << (name)
