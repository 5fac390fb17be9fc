// Command lines as people write them: other programs' names, repeats, words without flags.
#include "cli/words.h"

#include <gtest/gtest.h>

#include "cli/help.h"
#include "cli/method_flags.h"
#include "cli/other_names.h"
#include "cli/parse.h"
#include "support/errors.h"

namespace falconer::test {
namespace {

using Words = std::vector<std::string>;

class CommandLine : public ::testing::Test {
 protected:
  CommandLine() {
    app.version = [] { return std::string("falconer"); };
    app.add("-V,--version", {}, "");
    app.add("--threads", &threads, "");
    add("finetune", cli::add_finetune);
    add("generate", cli::add_generate);
    add("chat", cli::add_chat);
    add("evaluate", cli::add_evaluate);
    add("export", cli::add_export);
    add("merge", cli::add_merge);
    add("download", cli::add_download);
  }

  void add(const char* name, void (*flags)(cli::Command&)) {
    cli::Command& command = app.add_command(name, "");
    command.add("--config", &command.recipe, "");
    flags(command);
  }

  Words words(Words given) const {
    given.insert(given.begin(), "falconer");
    std::vector<char*> argv;
    for (std::string& word : given) argv.push_back(word.data());
    return cli::words_of(app, static_cast<int>(argv.size()), argv.data());
  }

  void parse(const Words& given) { cli::parse(app, words(given)); }

  /// What was given for a flag of a command.
  Words given(const char* command, const char* flag) const {
    return cli::find_command(app, command)->flag(flag).given;
  }

  cli::Command app{"falconer"};
  int threads = 0;
};

const Words kCommands = {"finetune", "generate", "chat", "evaluate", "export", "merge", "download"};

// Line by line: each name becomes a flag that a command has, or is answered.
TEST_F(CommandLine, EveryOtherNameIsUnderstoodOrAnswered) {
  ASSERT_GT(cli::other_names().size(), 100u);
  for (const cli::OtherName& name : cli::other_names()) {
    const std::string theirs = name.theirs, ours = name.ours;
    EXPECT_EQ(ours.empty(), std::string(name.answer).size() > 0) << theirs;
    bool met = false;
    for (const std::string& command : kCommands) {
      const cli::Command& one = *cli::find_command(app, command);
      const std::string flag = ours.substr(0, ours.find('='));
      const cli::Flag* option = cli::find_flag(one, flag);
      if (option == nullptr) option = cli::find_flag(app, flag);
      EXPECT_TRUE(cli::find_flag(app, theirs) == nullptr) << theirs;
      if (cli::find_flag(one, theirs) != nullptr) continue;  // ours as well, of this command
      if (ours.empty()) {
        if (theirs == "--max-length" && cli::find_flag(one, "--max-seq-length") != nullptr)
          continue;
        met = true;
        expect_mentions(message_of([&] {
                          words({command, theirs, "1"});
                        }),
                        {name.theirs, name.answer});
      } else if (option != nullptr) {
        met = true;
        const Words found = words({command, theirs, "7"});
        ASSERT_GE(found.size(), 2u) << theirs;
        EXPECT_EQ(found[1], ours) << theirs;
      }
    }
    EXPECT_TRUE(met) << theirs << " means " << ours << ", which no command has";
  }
}

TEST_F(CommandLine, TransformersCommandBecomesOurs) {
  EXPECT_EQ(words({"finetune", "lora", "--model_name_or_path", "m", "--train_file=d.jsonl",
                   "--output_dir", "o", "--num_train_epochs", "3", "--per_device_train_batch_size",
                   "8", "--learning_rate", "1e-4", "--lora_target_modules", "q_proj,v_proj",
                   "--bf16", "True"}),
            (Words{"finetune", "lora", "--checkpoint", "m", "--data=d.jsonl", "--out", "o",
                   "--epochs", "3", "--batch-size", "8", "--learning-rate", "1e-4",
                   "--lora-targets", "q,v", "--precision=bf16"}));
  EXPECT_EQ(words({"finetune", "lora", "--bf16", "False", "--overwrite_output_dir",
                   "--resume_from_checkpoint", "c/checkpoint-3"}),
            (Words{"finetune", "lora", "--overwrite", "--resume", "c/checkpoint-3"}));
}

TEST_F(CommandLine, LitGptsCommandBecomesOurs) {
  EXPECT_EQ(
      words({"finetune_lora", "m", "--data.json_path", "d.json", "--out_dir", "o", "--train.epochs",
             "2", "--train.global_batch_size", "16", "--data.mask_prompt", "false"}),
      (Words{"finetune", "lora", "m", "--data", "d.json", "--out-dir", "o", "--epochs", "2",
             "--batch-size", "16", "--mask-prompt=false"}));
}

TEST_F(CommandLine, LlamaCppsCommandBecomesOurs) {
  EXPECT_EQ(
      words({"generate", "-m", "m.gguf", "-p", "Hi -n 3", "-n", "8", "--temp", "0", "-t", "2"}),
      (Words{"generate", "--checkpoint", "m.gguf", "--prompt", "Hi -n 3", "--max-new-tokens", "8",
             "--temperature", "0", "--threads", "2"}));
}

TEST_F(CommandLine, ValuesAndOurOwnNamesStayAsTheyAre) {
  EXPECT_EQ(words({"generate", "m", "--prompt", "--model", "--seed", "3"}),
            (Words{"generate", "m", "--prompt", "--model", "--seed", "3"}));
  EXPECT_EQ(words({"export", "--dtype", "f16"}), (Words{"export", "--dtype", "f16"}));
  EXPECT_EQ(words({"generate", "--", "-m"}), (Words{"generate", "--", "-m"}));
  EXPECT_EQ(words({"finetune", "--unknown", "1"}), (Words{"finetune", "--unknown", "1"}));
}

TEST_F(CommandLine, HelpAndVersionAreCommandsToo) {
  EXPECT_EQ(words({"help"}), (Words{"--help"}));
  EXPECT_EQ(words({"help", "merge"}), (Words{"merge", "--help"}));
  EXPECT_EQ(words({"version"}), (Words{"--version"}));
  EXPECT_EQ(words({"help", "--help"}), (Words{"--help"}));
  for (const char* wrong : {"--bogus", "--json", "-x", "finetun"}) {
    EXPECT_EQ(words({"help", wrong}), Words{wrong});
    EXPECT_THROW(parse({"help", wrong}), cli::WrongCommandLine) << wrong;
  }
}

TEST_F(CommandLine, OfTwoLengthsItIsSaidWhichCounts) {
  const auto said = [&](Words more) {
    Words all = {"finetune", "lora", "m", "--data", "d", "--out", "o"};
    all.insert(all.end(), more.begin(), more.end());
    parse(all);
    return cli::overruled_in(app, words(all));
  };
  expect_mentions(said({"--max_steps", "3", "--epochs=2"}), {"--max-steps 3", "--epochs 2"});
  EXPECT_EQ(said({"--max-steps", "3"}), "");
  EXPECT_EQ(said({"--epochs", "3"}), "");
  EXPECT_EQ(said({"--max-steps=0", "--epochs", "3"}), "");
  expect_mentions(said({"--max-steps=0"}), {"--max-steps 0", "no number of steps", "--epochs"});
  expect_mentions(said({"--max-steps", "-1"}), {"no number of steps"});
  EXPECT_EQ(said({"--max_steps=-1", "--num_train_epochs", "3"}), "");
}

TEST_F(CommandLine, TheEndOfALongerNameIsAnsweredWithIt) {
  expect_mentions(cli::explain(app, words({"finetune", "--adapter", "x"}), ""),
                  {"no flag --adapter", "did you mean --init-adapter (train this adapter on"});
  const std::string several = cli::explain(app, words({"finetune", "--interval", "x"}), "");
  EXPECT_EQ(several.find("did you mean"), std::string::npos) << several;
}

TEST_F(CommandLine, TheModelNeedsNoFlag) {
  parse({"generate", "m", "--prompt", "a"});
  EXPECT_EQ(given("generate", "--checkpoint"), Words{"m"});
  parse({"finetune", "lora", "m", "--data", "d", "--out", "o"});
  EXPECT_EQ(given("finetune", "--checkpoint"), Words{"m"});
  EXPECT_EQ(given("finetune", "--method"), Words{"lora"});
}

TEST_F(CommandLine, BesideARecipeAWordIsAMethodOrTheModel) {
  EXPECT_EQ(words({"finetune", "--config", "r", "m"}),
            (Words{"finetune", "--config", "r", "--checkpoint=m"}));
  EXPECT_EQ(words({"finetune", "--config", "r", "adapter"}),
            (Words{"finetune", "--config", "r", "adapter"}));
  EXPECT_EQ(words({"finetune", "lorra"}), (Words{"finetune", "lorra"}));
}

TEST_F(CommandLine, TheLastOfSeveralCountsAndListsStayLists) {
  parse({"generate", "m", "--prompt", "a", "--seed", "1", "--seed", "2", "--stop", "x", "--stop",
         "y", "--json", "--json"});
  const cli::Command& generate = *cli::find_command(app, "generate");
  EXPECT_EQ(*std::get<uint64_t*>(generate.flag("--seed").value), 2u);
  EXPECT_EQ(*std::get<Words*>(generate.flag("--stop").value), (Words{"x", "y"}));
  EXPECT_EQ(cli::repeats_in(app), (Words{"--seed is given 2 times; the last counts, 2"}));
}

TEST_F(CommandLine, AMistypedMethodBesideARecipeIsNoModel) {
  EXPECT_EQ(words({"finetune", "--config", "r", "lroa"}),
            (Words{"finetune", "--config", "r", "lroa"}));
  for (const char* method : {"lroa", "LORA", "adapter_v2"}) {
    try {
      parse({"finetune", method, "m", "--data", "d", "--out", "o"});
      FAIL() << method;
    } catch (const cli::WrongCommandLine& error) {
      expect_mentions(cli::explain(app, words({"finetune", method}), error.what()),
                      {"--method is \"", "did you mean", "lora, adapter, adapter-v2, full"});
    }
  }
}

TEST_F(CommandLine, NoLimitOfTransformersIsOurs) {
  parse({"finetune", "lora", "m", "--data", "d", "--out", "o", "--max_steps=-1"});
  EXPECT_EQ(given("finetune", "--max-steps"), Words{"0"});
  parse({"finetune", "lora", "m", "--data", "d", "--out", "o", "--max-steps", "-1"});
  EXPECT_EQ(given("finetune", "--max-steps"), Words{"0"});
}

TEST_F(CommandLine, UnderscoresDoNotHideWhatWasMeant) {
  try {
    parse({"finetune", "lora", "--max_seq_lenght", "3"});
    FAIL();
  } catch (const cli::WrongCommandLine& error) {
    expect_mentions(
        cli::explain(app, words({"finetune", "lora", "--max_seq_lenght", "3"}), error.what()),
        {"no flag --max_seq_lenght", "did you mean --max-seq-length?"});
  }
}

TEST_F(CommandLine, AFlagOfAnotherMethodIsAnError) {
  const auto refused = [&](const Words& given, const Words& all) {
    return message_of([&] { cli::refuse_flags_of_other_methods(app, words(given), words(all)); });
  };
  const auto taken = [&](const Words& given, const Words& all) {
    EXPECT_NO_THROW(cli::refuse_flags_of_other_methods(app, words(given), words(all)));
  };
  const auto both = [&](const Words& given) { return refused(given, given); };
  expect_mentions(both({"finetune", "adapter", "m", "--lora-r", "4"}),
                  {"--lora-r is a setting of lora", "method is adapter"});
  expect_mentions(both({"finetune", "lora", "m", "--adapter_prompt_length", "4"}),
                  {"--adapter-length is a setting of adapter", "method is lora"});
  expect_mentions(both({"finetune", "--lora-dora", "--method=full", "m"}), {"--lora-dora"});
  expect_mentions(refused({"finetune", "--config", "r", "--lora-rs"},
                          {"finetune", "--method=adapter-v2", "--config", "r", "--lora-rs"}),
                  {"--lora-rs", "adapter-v2"});
  for (const Words& given : {Words{"finetune", "lora", "m", "--lora-r", "4"},
                             Words{"finetune", "adapter-v2", "m", "--adapter-length", "4"},
                             Words{"finetune", "lorra", "m", "--lora-r", "4"},
                             Words{"generate", "lora", "--lora-path", "a"}})
    taken(given, given);
  // A recipe may have the settings of every method.
  taken({"finetune", "--config", "r", "adapter"},
        {"finetune", "--lora-r=4", "--config", "r", "adapter"});
}

}  // namespace
}  // namespace falconer::test
