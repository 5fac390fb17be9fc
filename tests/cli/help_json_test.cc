// `falconer help --json`: what completions, manuals and bindings are made from.
#include "cli/help_json.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "falconer/finetune.h"
#include "support/paths.h"

namespace falconer::test {
namespace {

using Json = nlohmann::json;

std::string output_of(const std::string& words) {
  const std::string line = std::string(program_path()) + " " + words + " 2>&1";
  FILE* pipe = ::popen(line.c_str(), "r");
  std::string text;
  for (int c; pipe != nullptr && (c = std::fgetc(pipe)) != EOF;)
    text.push_back(static_cast<char>(c));
  if (pipe != nullptr) ::pclose(pipe);
  return text;
}

class HelpJson : public ::testing::Test {
 protected:
  HelpJson() : all(Json::parse(output_of("help --json"))) {
    for (const Json& command : all["commands"]) commands[command["name"]] = command;
  }
  /// The flag "--name" of a command.
  Json flag(const std::string& command, const std::string& name) const {
    for (const Json& one : commands.at(command)["flags"])
      for (const Json& its : one["names"])
        if (its == name) return one;
    return {};
  }

  Json all;
  std::map<std::string, Json> commands;
};

TEST_F(HelpJson, HasEveryCommandAndFlag) {
  EXPECT_EQ(all["name"], "falconer");
  EXPECT_EQ(commands.size(), 20u);
  for (const auto& [name, command] : commands) {
    const std::string help = output_of(name + " --help");
    EXPECT_GE(command["flags"].size(), name == "completions" ? 2u : 3u) << name;
    for (const Json& flag : command["flags"]) {
      const std::set<std::string> types = {"none",  "bool",   "int", "uint",
                                           "float", "string", "list"};
      EXPECT_TRUE(types.contains(flag["type"])) << flag;
      EXPECT_FALSE(std::string(flag["help"]).empty()) << flag;
      for (const char* list : {"names", "negations"})
        for (const Json& one : flag.value(list, Json::array()))
          EXPECT_NE(help.find(std::string(one)), std::string::npos) << name << " " << one;
    }
  }
}

TEST_F(HelpJson, HasTheTableOfSettings) {
  FinetuneOptions defaults;
  for (const Setting& setting : settings_of(defaults)) {
    const Json one = flag("finetune", "--" + setting.name);
    ASSERT_TRUE(one.is_object()) << setting.name;
    EXPECT_EQ(one["type"], type_of(setting.value)) << setting.name;
    if (setting.expected.empty() || one["default"].is_null()) continue;
    EXPECT_EQ(one["expected"], setting.expected);
    EXPECT_TRUE(one["default"].is_number()) << one;
  }
  EXPECT_EQ(flag("finetune", "--lora-r")["default"], 8);
  EXPECT_EQ(flag("finetune", "--lora-r")["methods"], Json({"lora"}));
  EXPECT_EQ(flag("finetune", "--lr")["default"], nullptr);
  EXPECT_EQ(flag("finetune", "--shuffle")["negations"], Json({"--no-shuffle"}));
  EXPECT_EQ(flag("finetune", "--shuffle")["default"], true);
  EXPECT_EQ(flag("finetune", "--lora-targets")["default"], Json({"q", "v"}));
  EXPECT_EQ(flag("finetune", "--method")["positional"], "method");
  EXPECT_EQ(flag("finetune", "--resume")["alone"], "auto");
  EXPECT_EQ(flag("finetune", "--out")["kind"], "folder");
  EXPECT_EQ(flag("generate", "--checkpoint")["kind"], "model");
  EXPECT_EQ(flag("evaluate", "--temperature")["default"], 0.0);
}

// Words that are offered are taken: what is wrong is the checkpoint, which is not there.
TEST_F(HelpJson, OffersWhatIsTaken) {
  const std::map<std::string, std::string> lines = {
      {"export --format", "export none --out new"},
      {"runs --sort", "runs none"},
      {"prepare --prompt-ending", "prepare alpaca --input none --checkpoint none --out none/x"},
      {"prepare --tokenize", "prepare alpaca --input none --checkpoint none --out none/x"},
      {"chat --log", "chat none --log"}};
  for (const auto& [where, line] : lines) {
    const std::string command = where.substr(0, where.find(' ')),
                      name = where.substr(command.size() + 1);
    Json one = flag(command, name);
    for (const Json& mine : all["flags"])
      if (mine["names"][0] == name) one = mine;
    ASSERT_FALSE(one["choices"].empty()) << where;
    for (const Json& choice : one["choices"]) {
      const std::string said =
          output_of(line + (name == "--log" ? " " : " " + name + " ") + std::string(choice));
      EXPECT_EQ(said.find("\"" + std::string(choice) + "\""), std::string::npos) << said;
    }
    const std::string said =
        output_of(line + (name == "--log" ? " " : " " + name + " ") + "neither");
    EXPECT_NE(said.find("neither"), std::string::npos) << where << ": " << said;
  }
}

}  // namespace
}  // namespace falconer::test
