#include "base/json_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

std::string refused(const std::string& text) {
  return message_of([&] { parse_json_object(text, "x.json", "write it again"); });
}

TEST(JsonFile, SaysWhatIsWrongInWordsOfItsOwn) {
  EXPECT_EQ(parse_json_object(R"({"a": 1})", "x.json")["a"], 1);
  expect_mentions(refused(""), {"x.json", "not a JSON object", "empty", "write it again"});
  expect_mentions(refused("[1, 2]"), {"a list of 2"});
  expect_mentions(refused("3"), {"it is 3"});
  expect_mentions(refused("null"), {"it is null"});
  expect_mentions(refused(R"({"lr": 1e400})"), {"1e400"});
  expect_mentions(refused(R"({"lr": NaN})"), {"column", "N"});
  expect_mentions(refused(std::string(200, '[')), {"more than 100 deep"});
  for (const char* text : {"", "{", "{\"a\": 1e400}", "\x01\xff{", "{]"})
    EXPECT_EQ(refused(text).find("json.exception"), std::string::npos) << refused(text);
}

TEST(JsonFile, AFolderAndAMissingFileAreSaidByName) {
  const TempFolder folder;
  expect_mentions(message_of([&] { read_json_object(folder.path()); }),
                  {folder.path().string().c_str(), "found a folder"});
  expect_mentions(message_of([&] { read_json_object(folder / "none.json"); }), {"none.json"});
}

TEST(JsonFile, ReasonsHaveNoNameOfALibrary) {
  try {
    static_cast<void>(nlohmann::json(3).at("a"));
    FAIL();
  } catch (const nlohmann::json::exception& error) {
    EXPECT_EQ(json_reason(error), "cannot use at() with number");
  }
}

}  // namespace
}  // namespace falconer::test
