#include <gtest/gtest.h>

#include <cstdlib>

#include "ranks/nccl/nccl_api.h"
#include "support/errors.h"

namespace falconer::test {
namespace {

// Before the one that finds it: what was loaded once stays.
TEST(NcclLibrary, OneThatIsNotThereIsNamedWithWhatToInstall) {
  ::setenv("FALCONER_NCCL_LIBRARY", "/nowhere/libnccl.so.2", 1);
  const std::string said = message_of([] { nccl(); });
  ::unsetenv("FALCONER_NCCL_LIBRARY");
  expect_mentions(said, {"/nowhere/libnccl.so.2: cannot be loaded", "libnccl2",
                         "FALCONER_NCCL_LIBRARY", "--device cpu"});
}

TEST(NcclLibrary, TheOneThatIsHereHasAllFunctions) {
  const NcclApi* api = nullptr;
  try {
    api = &nccl();
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  int version = 0;
  EXPECT_EQ(api->version(&version), kNcclSuccess);
  EXPECT_GE(version, 21700);
  EXPECT_STREQ(api->error_text(kNcclSuccess), "no error");
}

TEST(NcclLibrary, VersionsAreTold) {
  EXPECT_EQ(nccl_version_text(22809), "2.28.9");
  EXPECT_EQ(nccl_version_text(21700), "2.17.0");
  EXPECT_EQ(nccl_version_text(2708), "2.7.8");
}

}  // namespace
}  // namespace falconer::test
