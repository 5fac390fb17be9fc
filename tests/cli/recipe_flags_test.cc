// Recipes on the command line: which words a file becomes, and that every flag has its key.
#include "cli/recipe_flags.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "api/finetune/recipe.h"
#include "base/file.h"
#include "base/toml.h"
#include "cli/finetune_flags.h"
#include "cli/rank_flags.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

class RecipeFlags : public ::testing::Test {
 protected:
  RecipeFlags() {
    app.add("--threads", &threads, "");
    finetune = &app.add_command("finetune", "");
    finetune->add("--config", &finetune->recipe, "");
    cli::add_finetune(*finetune);
    cli::add_rank_flags(*finetune, ranks);
  }

  std::string write(const std::string& text) {
    write_file(folder / "r.toml", text);
    return (folder / "r.toml").string();
  }

  std::vector<std::string> words(const std::string& recipe, std::vector<std::string> given) {
    given.insert(given.begin(), {"finetune", "--config", write(recipe)});
    std::vector<cli::RecipeFlag> added;
    std::vector<std::string> all = cli::with_recipe(app, given, added);
    all.erase(all.begin() + static_cast<long>(added.size()) + 1, all.end());
    all.erase(all.begin());
    return all;
  }

  std::string error(const std::string& recipe) {
    return message_of([&] { words(recipe, {}); });
  }

  TempFolder folder;
  cli::Command app{"falconer"};
  cli::Command* finetune = nullptr;
  int threads = 0;
  cli::RankFlags ranks;
};

using Words = std::vector<std::string>;

TEST_F(RecipeFlags, KeysBecomeFlags) {
  EXPECT_EQ(words("method = \"lora\"\nlr = 3e-4\nlora_targets = [\"q\", \"v\"]\nshuffle = false\n"
                  "prompt-style = \"\"\nthreads = 2\n",
                  {}),
            (Words{"--method=lora", "--lr=3e-4", "--lora-targets=q", "--lora-targets=v",
                   "--shuffle=false", "--threads=2"}));
}

TEST_F(RecipeFlags, WhatIsGivenBesideARecipeCounts) {
  const std::string recipe = "method = \"lora\"\nlr = 3e-4\ncheckpoint = \"c\"\nmax-steps = 3\n";
  EXPECT_EQ(words(recipe, {"adapter", "--learning-rate", "1"}),
            (Words{"--checkpoint=c", "--max-steps=3"}));
  EXPECT_EQ(words(recipe, {"--lr=1", "--checkpoint-dir", "d", "--max-steps", "4"}),
            (Words{"--method=lora"}));
}

TEST_F(RecipeFlags, AValueIsNoMethod) {
  EXPECT_EQ(words("method = \"lora\"\n", {"--out", "adapter"}), (Words{"--method=lora"}));
}

// Of a flag that may stand alone too.
TEST_F(RecipeFlags, AValueOfResumeIsNoMethod) {
  const std::string recipe = "method = \"lora\"\n";
  EXPECT_EQ(words(recipe, {"--resume", "auto"}), (Words{"--method=lora"}));
  EXPECT_EQ(words(recipe, {"--resume", "--out", "o"}), (Words{"--method=lora"}));
  EXPECT_EQ(words(recipe, {"--resume=auto", "adapter"}), Words{});
}

TEST_F(RecipeFlags, AKeyThatIsNoFlagIsNamedWithFileLineAndTheNearest) {
  expect_mentions(error("lr = 1\n\nmax-step = 2\n"), {"r.toml:3", "max-step", "max-steps"});
  expect_mentions(error("lora_rank_r = 1\n"), {"r.toml:1", "lora_rank_r"});
}

TEST_F(RecipeFlags, WhatCannotBeIsAnErrorWithItsPlace) {
  expect_mentions(error("lr = 1\nlearning-rate = 2\n"), {"r.toml:2", "r.toml:1"});
  expect_mentions(error("config = \"other.toml\"\n"), {"r.toml:1", "--config"});
  expect_mentions(error("ranks = 2\n"), {"r.toml:1", "--ranks belongs on the command line"});
  expect_mentions(error("lora-targets = []\n"), {"r.toml:1", "lora-targets"});
  expect_mentions(error("[training]\nlr = 1\n"), {"r.toml:1", "table"});
}

TEST_F(RecipeFlags, AValueThatIsRefusedIsTracedToItsLine) {
  std::vector<cli::RecipeFlag> added;
  cli::with_recipe(app, {"finetune", "--config", write("\nlr = \"fast\"\nlora-r = 8\n")}, added);
  EXPECT_TRUE(cli::place_of("Could not convert: --lr = fast", added).ends_with("r.toml:2"));
  EXPECT_TRUE(cli::place_of("--lora-r: bad", added).ends_with("r.toml:3"));
  EXPECT_EQ(cli::place_of("--lora-rs: bad", added), "");
}

// Each setting of a run is a flag, and goes where the setting's field is.
TEST_F(RecipeFlags, EverySettingIsAFlag) {
  FinetuneOptions options;
  cli::Command command("finetune");
  cli::add_finetune_flags(command, options);
  cli::add_earlier_run_flags(command, options);
  size_t same = 0;
  for (const Setting& setting : settings_of(options)) {
    const cli::Flag& flag = command.flag("--" + setting.name);
    for (const std::string& alias : setting.aliases)
      EXPECT_EQ(&command.flag("--" + alias), &flag) << alias;
    if (!setting.negation.empty()) {
      EXPECT_EQ(&command.flag("--" + setting.negation), &flag);
    }
    std::visit([&](auto* of) { same += flag.value == cli::FlagValue(of); }, setting.value);
  }
  EXPECT_EQ(same, settings_of(options).size());
  EXPECT_EQ(command.flags().size(), same + 1);  // --help
}

// Each flag of finetune is a key of the recipe that a run saves, or says what to do with an earlier
// run. One that is missing would be lost when the run is run again.
TEST_F(RecipeFlags, ARunsRecipeHoldsEveryFlag) {
  std::set<std::string> keys;
  for (const char* method : {"lora", "adapter", "adapter-v2", "full"})
    for (const char* adapter : {"", "a"}) {
      FinetuneOptions o;
      o.method = method;
      for (const Setting& setting : settings_of(o))
        if (text_of(setting.value).empty())
          set(o, setting.name,
              !setting.choices.empty()            ? setting.choices.front()
              : type_of(setting.value) == "float" ? "0.5"
                                                  : "1");
      o.init_adapter = adapter;
      for (const TomlEntry& entry : parse_toml(recipe_text(o), "recipe")) {
        keys.insert(entry.key);
        bool known = false;
        for (const cli::Flag& flag : finetune->flags()) known |= flag.is_named("--" + entry.key);
        EXPECT_TRUE(known) << entry.key << " is no flag";
      }
    }
  const std::set<std::string> of_the_command = {"config",  "help",    "overwrite",
                                                "resume",  "dry-run", "json",
                                                "profile", "ranks",   "rank-timeout"};
  for (const cli::Flag& flag : finetune->flags()) {
    const auto& names = flag.long_names;
    const auto in = [&](const std::set<std::string>& set) {
      return std::any_of(names.begin(), names.end(),
                         [&](const std::string& name) { return set.contains(name); });
    };
    EXPECT_TRUE(in(keys) || in(of_the_command)) << flag.names << " is no key of a recipe";
  }
}

}  // namespace
}  // namespace falconer::test
