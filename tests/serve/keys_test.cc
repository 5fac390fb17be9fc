#include "serve/keys.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/log.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::serve {
namespace {

TEST(ApiKeys, AreReadFromLines) {
  const test::TempFolder folder;
  const LogLevelHere quiet(LogLevel::kQuiet);
  write_file(folder / "keys", "# of the team\nfirst\n\n  second \r\n");
  const ApiKeys keys = ApiKeys::read((folder / "keys").string());
  EXPECT_EQ(keys.find("Bearer first"), 0u);
  EXPECT_EQ(keys.find("bearer second"), 1u);
  for (const char* other :
       {"", "first", "Bearer", "Bearer ", "Bearer firs", "Bearer first2", "Basic first"})
    EXPECT_FALSE(keys.find(other)) << other;
}

TEST(ApiKeys, AFileWithoutOneIsAnError) {
  const test::TempFolder folder;
  const LogLevelHere quiet(LogLevel::kQuiet);
  write_file(folder / "empty", "# nothing\n");
  write_file(folder / "words", "ok\ntwo words\n");
  test::expect_mentions(test::message_of([&] { ApiKeys::read((folder / "empty").string()); }),
                        {"has no key"});
  test::expect_mentions(test::message_of([&] { ApiKeys::read((folder / "words").string()); }),
                        {"line 2 is no key"});
  test::expect_mentions(test::message_of([&] { ApiKeys::read((folder / "none").string()); }),
                        {"none"});
}

}  // namespace
}  // namespace falconer::serve
