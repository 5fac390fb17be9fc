// Settings in messages, as the command line and the library's users write them.
#include "support/spelling.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "falconer/falconer.h"
#include "support/errors.h"
#include "support/paths.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

TEST(MessageSpelling, FlagsStayOnTheCommandLine) {
  const SpelledAs flags(Spelling::kFlags);
  constexpr const char* kText = "give --lr 0.1, --no-mask-prompt, or --overwrite to replace {}";
  EXPECT_EQ(spelled(kText), kText);
  EXPECT_EQ(spelled_name("lora-r"), "--lora-r");
  EXPECT_EQ(spelled_name("--lora-r"), "--lora-r");
}

TEST(MessageSpelling, FieldsAreForUsersOfTheLibrary) {
  const SpelledAs fields(Spelling::kFields);
  const std::pair<const char*, const char*> kTexts[] = {
      {"--epochs is 0; expected 1", "epochs is 0; expected 1"},
      {"give a larger --max-seq-length, or end", "give a larger max_seq_length, or end"},
      {"try --precision f32, or --lr 0.1.", "try precision=\"f32\", or lr=0.1."},
      {"--overwrite to replace it", "overwrite=true to replace it"},
      {"(--recompute on)", "(recompute=\"on\")"},
      {"--no-mask-prompt is --train-on everything", "mask_prompt=false is train_on=\"everything\""},
      {"with --out {} and --resume puts", "with out=\"{}\" and resume=\"auto\" puts"},
      {"--max-steps {} of {}", "max_steps={} of {}"},
      {"--device cuda: built without", "device=\"cuda\": built without"},
      {"use --device cuda:1", "use device=\"cuda:1\""},
      {"--data FILE compares", "data=\"FILE\" compares"},
      {"--checkpoint is required: a folder", "checkpoint is required: a folder"},
      {"--unknown-flag of nobody", "unknown_flag of nobody"},
      {"a -- b, x--out, /--out, ---out, --1", "a -- b, x--out, /--out, ---out, --1"}};
  for (const auto& [text, wanted] : kTexts) EXPECT_EQ(spelled(text), wanted);
  EXPECT_EQ(spelled_name("--no-shuffle"), "shuffle");
  EXPECT_EQ(worded("{}: give --resume {}", "--out", "--out"), "--out: give resume=\"--out\"");
}

TEST(MessageSpelling, PythonHasItsOwnTrue) {
  const SpelledAs keywords(Spelling::kKeywords);
  EXPECT_EQ(spelled("--overwrite to replace it"), "overwrite=True to replace it");
  EXPECT_EQ(spelled("--no-shuffle keeps their order"), "shuffle=False keeps their order");
  EXPECT_EQ(spelled_name("--overwrite"), "overwrite");
}

TEST(MessageSpelling, ErrorsOfTheLibrarySpeakOfFields) {
  const SpelledAs fields(Spelling::kFields);
  FinetuneOptions options;
  expect_mentions(message_of([&] { finetune(options); }), {"checkpoint is required"});
  options.checkpoint = options.out = "none";
  options.data = "rows.jsonl";
  options.epochs = 0;
  expect_mentions(message_of([&] { finetune(options); }), {"epochs is 0; expected a whole number"});
  options.epochs = 1;
  options.schedule = "linar";
  expect_mentions(message_of([&] { finetune(options); }), {"schedule is \"linar\""});
  options.schedule = "linear";
  options.keep_best = true;
  expect_mentions(message_of([&] { finetune(options); }), {"keep_best looks at evaluations"});
  expect_mentions(message_of([&] { set(options, "lora-r", "many"); }), {"lora_r is \"many\""});
  expect_mentions(message_of([&] { check_sampling({.temperature = -1}); }), {"temperature is -1"});
  expect_mentions(message_of([&] { set_threads(-1); }), {"threads is -1"});
}

// A text that names a flag and does not go through one of these would show it to users of the library.
TEST(MessageSpelling, EveryMessageGoesThroughIt) {
  const std::set<std::string> kSpelling = {
      "fail",         "fail_usage",   "log_info",     "log_warning", "log_debug",     "worded",
      "spelled",      "spelled_name", "fail_choice",  "check_bound", "parse_period",  "check_file",
      "check_result", "check_output", "check_folder", "found",       "fail_on_device"};
  // Command lines that are run, a recipe's comment, help (spelled where it is shown), texts that
  // fail_on_device() and the doctor spell, a library that shares no code with the program.
  const std::set<std::string> kOthers = {"api/measure/compare.cc",
                                         "api/measure/compare_measure.cc",
                                         "api/measure/selftest.cc",
                                         "api/finetune/recipe.cc",
                                         "api/settings/finetune_settings.cc",
                                         "api/settings/command_settings.cc",
                                         "api/settings/serve_settings.cc",
                                         "api/settings/evaluate_settings.cc",
                                         "data/finding_kinds.cc",
                                         "ops/cuda/driver_state.h",
                                         "ops/cuda/device/cuda_device.cu",
                                         "api/model/resolve.cc",
                                         "api/data/read_rows.h",
                                         "ranks/mpi/mpi_transport.cc"};
  const std::regex literal(R"re("(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*)re");
  const std::regex flag(R"re((^|[ "(])--[a-z])re"), caller(R"re((\w+)\([^()]*$)re");
  const fs::path sources = fs::path(source_dir()) / "src";
  int looked_at = 0;
  for (const auto& entry : fs::recursive_directory_iterator(sources)) {
    const std::string name = fs::relative(entry.path(), sources).string();
    if (!entry.is_regular_file() || name.starts_with("cli/") || name.starts_with("report/") ||
        kOthers.contains(name))
      continue;
    const std::string text =
        std::regex_replace(read_text_file(entry.path()), std::regex("(^|\n) *//[^\n]*"), "$1");
    for (std::sregex_iterator it(text.begin(), text.end(), literal), end; it != end; ++it) {
      const std::string found = it->str();
      if (!std::regex_search(found, flag)) continue;
      ++looked_at;
      const size_t at = static_cast<size_t>(it->position());
      const std::string before =
          text.substr(at - std::min<size_t>(at, 300), std::min<size_t>(at, 300));
      std::smatch who;
      const bool called = std::regex_search(before, who, caller);
      EXPECT_TRUE(called && kSpelling.contains(who[1]))
          << name << ": " << found << " is not spelled: use worded() or spelled()";
    }
  }
  EXPECT_GT(looked_at, 100);
}

}  // namespace
}  // namespace falconer::test
