// The C interface, as a C program has it: statuses, messages, callbacks, tokens.
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "falconer/c.h"
#include "falconer/falconer.h"
#include "support/paths.h"
#include "support/spelling.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

const std::string kDemo = (fs::path(source_dir()) / "demo/checkpoint").string();
const std::string kRows =
    R"([{"instruction": "Hi", "output": "Hello."}, {"instruction": "Bye", "output": "See you."}])";

class CApi : public ::testing::Test {
 protected:
  CApi() {
    falconer_set_verbosity("quiet");
    falconer_set_spelling("c");  // as it is where nobody sets it
  }

  /// A run on rows in memory, with `more` settings.
  falconer_status train(const std::string& name, falconer_run run,
                        std::vector<falconer_setting> more = {}) {
    const std::string out = folder / name;
    more.insert(more.begin(), {{"checkpoint", kDemo.c_str()}, {"out", out.c_str()}});
    if (run.rows == nullptr) run.rows = kRows.c_str();
    run.rows_size = std::string(run.rows).size();
    falconer_report_free(report);
    return falconer_finetune(more.data(), more.size(), &run, &report);
  }
  ~CApi() override { falconer_report_free(report); }

  const SpelledAs as_before{current_spelling()};

  TempFolder folder;
  falconer_report* report = nullptr;
};

TEST_F(CApi, FailuresHaveAStatusAndTheWordsOfTheProgram) {
  EXPECT_EQ(train("a", {}, {{"lora-rr", "3"}}), FALCONER_USAGE);
  EXPECT_EQ(report, nullptr);
  EXPECT_STREQ(falconer_last_error(), "there is no setting \"lora-rr\"; did you mean lora_r?");
  EXPECT_EQ(train("a", {}, {{"lora_r", "0"}}), FALCONER_USAGE);
  EXPECT_EQ(train("a", {}, {{"lora_r", nullptr}}), FALCONER_USAGE);
  EXPECT_EQ(train("a", {}, {{"init-adapter", "none"}}), FALCONER_ERROR);
  EXPECT_NE(std::string(falconer_last_error()).find("none"), std::string::npos);
  EXPECT_EQ(train("a", {}, {{"data", "x"}}), FALCONER_USAGE) << "rows are given twice";
  EXPECT_EQ(train("a", {}, {{"adapter_length", "4"}}), FALCONER_USAGE);
  EXPECT_STREQ(falconer_last_error(),
               "adapter_length is a setting of adapter, and this run's method is lora: it would "
               "do nothing; leave it out");
  EXPECT_EQ(train("a", {}, {{"resume", "auto"}, {"overwrite", "true"}, {"epochs", "-1"}}),
            FALCONER_USAGE);
  EXPECT_NE(std::string(falconer_last_error()).find("epochs is -1; expected"), std::string::npos);
  EXPECT_EQ(train("a", {.rows = "[{\"a\": 1}]"}), FALCONER_ERROR);
  EXPECT_NE(std::string(falconer_last_error()).find("rows in memory: row 1"), std::string::npos);
  falconer_model* model = nullptr;
  EXPECT_EQ(falconer_model_open(nullptr, 0, &model), FALCONER_USAGE);
  EXPECT_EQ(falconer_model_open(nullptr, 1, &model), FALCONER_USAGE);
  EXPECT_EQ(falconer_model_open(nullptr, 0, nullptr), FALCONER_USAGE);
  EXPECT_EQ(falconer_set_verbosity("loud"), FALCONER_USAGE);
  EXPECT_EQ(falconer_finetune(nullptr, 0, nullptr, &report), FALCONER_USAGE);
  std::thread([] { EXPECT_STREQ(falconer_last_error(), ""); }).join();
  EXPECT_STRNE(falconer_last_error(), "");
}

TEST_F(CApi, ACallbackIsToldOfStepsAndMayStopTheRun) {
  std::vector<falconer_step> steps;
  const auto told = [](const falconer_step* step, void* context) {
    static_cast<std::vector<falconer_step>*>(context)->push_back(*step);
    return step->step == 3 ? 1 : 0;
  };
  const falconer_run run = {.on_step = told, .context = &steps};
  ASSERT_EQ(train("a", run, {{"max-steps", "2"}}), FALCONER_OK) << falconer_last_error();
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[1].step, 2);
  EXPECT_EQ(steps[1].total_steps, 2);
  EXPECT_EQ(steps[1].loss, report->last_loss);
  EXPECT_TRUE(std::isnan(steps[1].eval_loss));
  EXPECT_EQ(report->interrupted, 0);
  EXPECT_TRUE(fs::exists(fs::path(report->final_folder) / "adapter_model.safetensors"));
  ASSERT_EQ(train("b", run, {{"max-steps", "9"}}), FALCONER_OK);
  EXPECT_EQ(report->interrupted, 1);
  EXPECT_EQ(report->steps, 3);
  EXPECT_STREQ(report->final_folder, "");
  EXPECT_TRUE(fs::exists(folder / "b/checkpoint-3"));
}

// The rows are no path that a later command could take for one.
TEST_F(CApi, RowsInMemoryAreRecordedAsSuch) {
  ASSERT_EQ(train("a", {}, {{"max-steps", "1"}}), FALCONER_OK) << falconer_last_error();
  const std::string recipe = read_text_file(folder / "a/recipe.toml");
  EXPECT_EQ(recipe.find("data = \"rows"), std::string::npos);
  EXPECT_NE(recipe.find("rows in memory"), std::string::npos);
  const VerifyReport verified = verify({.folder = (folder / "a").string()});
  EXPECT_TRUE(verified.ok) << verified.text;
  EXPECT_NE(verified.text.find("its rows were in memory"), std::string::npos) << verified.text;
  write_file(folder / "rows.json", kRows);
  const VerifyReport with_file =
      verify({.folder = (folder / "a").string(), .data = (folder / "rows.json").string()});
  EXPECT_TRUE(with_file.ok) << with_file.text;
  EXPECT_NE(with_file.text.find("that it was trained on"), std::string::npos) << with_file.text;
}

// A signal that comes while it computes waits for the callback, and the mask is what it was afterwards.
volatile std::sig_atomic_t caught = 0;
TEST_F(CApi, SignalsWaitForCallbacks) {
  struct sigaction action = {}, before = {};
  action.sa_handler = [](int) { caught = 1; };
  ::sigaction(SIGHUP, &action, &before);
  const falconer_run run = {.on_step = [](const falconer_step*, void*) {
    ::raise(SIGHUP);
    return caught == 1 ? 0 : 1;
  }};
  EXPECT_EQ(train("a", run, {{"max-steps", "1"}}), FALCONER_OK);
  EXPECT_EQ(report->interrupted, 0) << "it was held back in the callback";
  EXPECT_EQ(caught, 1);
  sigset_t now;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
  EXPECT_EQ(::sigismember(&now, SIGHUP), 0);
  ::sigaction(SIGHUP, &before, nullptr);
}

TEST_F(CApi, RunsInThreadsHaveTokensOfTheirOwn) {
  falconer_cancel* cancel = nullptr;
  ASSERT_EQ(falconer_cancel_new(&cancel), FALCONER_OK);
  falconer_cancel_request(cancel);
  EXPECT_EQ(falconer_cancel_requested(cancel), 1);
  const auto run = [&](const char* name, const std::atomic<bool>* stop) {
    FinetuneOptions options;
    options.checkpoint = kDemo;
    options.out = folder / name;
    options.max_steps = 6;
    options.check_finite = true;
    return finetune(options, {.rows = kRows, .on_step = {}, .cancel = stop});
  };
  const FinetuneReport alone = run("alone", nullptr);
  std::atomic<bool> stop = true;
  FinetuneReport a, b;
  std::thread first([&] { a = run("a", nullptr); });
  std::thread second([&] { b = run("b", &stop); });
  first.join();
  second.join();
  EXPECT_EQ(a.last_loss, alone.last_loss);
  EXPECT_EQ(read_text_file(folder / "a/final/adapter_model.safetensors"),
            read_text_file(folder / "alone/final/adapter_model.safetensors"));
  EXPECT_TRUE(b.interrupted);
  EXPECT_EQ(b.steps, 1);
  EXPECT_EQ(train("c", {.cancel = cancel}, {{"max-steps", "6"}}), FALCONER_OK);
  EXPECT_EQ(report->steps, 1);
  falconer_cancel_free(cancel);
}

TEST_F(CApi, ARunHasItsOwnVerbosity) {
  const auto said = [&](const char* verbosity) {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(train("a", {.verbosity = verbosity}, {{"max-steps", "1"}, {"overwrite", "true"}}),
              FALCONER_OK)
        << falconer_last_error();
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said(nullptr), "");
  EXPECT_NE(said("info"), "");
  EXPECT_EQ(said(nullptr), "");
  ASSERT_EQ(falconer_set_verbosity("info"), FALCONER_OK);
  EXPECT_EQ(said("quiet"), "");
  EXPECT_EQ(train("b", {.verbosity = "loud"}), FALCONER_USAGE);
  EXPECT_NE(std::string(falconer_last_error()).find("verbosity is \"loud\""), std::string::npos);
}

TEST_F(CApi, AModelAnswersAndSaysItsLogits) {
  const falconer_setting settings[] = {{"checkpoint", kDemo.c_str()}};
  falconer_model* model = nullptr;
  ASSERT_EQ(falconer_model_open(settings, 1, &model), FALCONER_OK) << falconer_last_error();
  falconer_ids* prompt = nullptr;
  ASSERT_EQ(falconer_model_encode(model, "The fox", nullptr, 1, &prompt), FALCONER_OK);
  const falconer_setting greedy[] = {{"temperature", "0"}, {"max_new_tokens", "8"}};
  std::string said;
  falconer_completions* answers = nullptr;
  const auto on_text = [](size_t, const char* text, size_t size, void* context) {
    static_cast<std::string*>(context)->append(text, size);
    return 0;
  };
  ASSERT_EQ(falconer_model_generate(model, prompt, 1, greedy, 2, on_text, &said, nullptr, &answers),
            FALCONER_OK)
      << falconer_last_error();
  ASSERT_EQ(answers->count, 1u);
  EXPECT_EQ(said, answers->items[0].text);
  char* text = nullptr;
  const falconer_ids answer = answers->items[0].answer;
  ASSERT_EQ(falconer_model_decode(model, answer.ids, answer.count, &text, nullptr), FALCONER_OK);
  EXPECT_EQ(said, text);
  EXPECT_EQ(said.size(), answers->items[0].text_size);
  falconer_text_free(text);

  const size_t vocab = static_cast<size_t>(falconer_model_vocab(model));
  std::vector<float> logits(prompt->count * vocab);
  ASSERT_EQ(falconer_model_logits(model, prompt->ids, prompt->count, logits.data()), FALCONER_OK);
  const auto last = logits.end() - static_cast<std::ptrdiff_t>(vocab);
  EXPECT_EQ(std::max_element(last, logits.end()) - last, answer.ids[0]);
  const int32_t beyond = static_cast<int32_t>(vocab);
  EXPECT_EQ(falconer_model_logits(model, &beyond, 1, logits.data()), FALCONER_USAGE);
  EXPECT_EQ(falconer_model_logits(model, &beyond, 0, logits.data()), FALCONER_USAGE);
  falconer_ids* chat = nullptr;
  EXPECT_EQ(falconer_model_encode_chat(model, "no JSON", &chat), FALCONER_ERROR);
  EXPECT_EQ(falconer_model_encode_chat(
                model, R"({"messages": [{"role": "user", "content": "Hi"}]})", &chat),
            FALCONER_OK);
  falconer_ids_free(chat);
  falconer_completions_free(answers);
  falconer_ids_free(prompt);
  falconer_model_free(model);
}

TEST_F(CApi, SettingsAreSpelledAsTheLanguageHasThem) {
  for (const auto& [language, wanted] :
       {std::pair("c", "overwrite=true"), std::pair("python", "overwrite=True")}) {
    ASSERT_EQ(falconer_set_spelling(language), FALCONER_OK);
    ASSERT_EQ(train("run", {}, {{"max-steps", "1"}, {"overwrite", "true"}}), FALCONER_OK);
    EXPECT_EQ(train("run", {}, {{"max-steps", "1"}}), FALCONER_ERROR);
    EXPECT_NE(std::string(falconer_last_error()).find(wanted), std::string::npos)
        << falconer_last_error();
    EXPECT_NE(std::string(falconer_last_error()).find("resume=\"auto\""), std::string::npos)
        << falconer_last_error();
  }
  EXPECT_EQ(falconer_set_spelling("cobol"), FALCONER_USAGE);
  EXPECT_EQ(falconer_set_spelling(nullptr), FALCONER_USAGE);
  char* json = nullptr;
  ASSERT_EQ(falconer_settings("finetune", &json), FALCONER_OK);
  EXPECT_EQ(std::string(json).find(" --"), std::string::npos) << "help names a flag";
  falconer_text_free(json);
}

TEST_F(CApi, AdaptersAreSwappedOnOneBase) {
  ASSERT_EQ(train("owl", {}, {{"max-steps", "2"}, {"lr", "0.01"}}), FALCONER_OK)
      << falconer_last_error();
  const std::string owl = report->final_folder;
  const falconer_setting settings[] = {{"checkpoint", kDemo.c_str()}, {"adapter", owl.c_str()}};
  falconer_model *model = nullptr, *base = nullptr;
  ASSERT_EQ(falconer_model_open(settings, 2, &model), FALCONER_OK) << falconer_last_error();
  ASSERT_EQ(falconer_model_open(settings, 1, &base), FALCONER_OK) << falconer_last_error();
  EXPECT_STREQ(falconer_model_adapter(model), "default");
  EXPECT_STREQ(falconer_model_adapter(base), "");
  EXPECT_STREQ(falconer_model_prompt_style(base), "");
  ASSERT_EQ(falconer_model_load_adapter(base, "owl", owl.c_str()), FALCONER_OK)
      << falconer_last_error();
  char* names = nullptr;
  ASSERT_EQ(falconer_model_adapters(base, &names), FALCONER_OK);
  EXPECT_STREQ(names, "[\"owl\"]");
  falconer_text_free(names);
  ASSERT_EQ(falconer_model_set_adapter(base, "owl"), FALCONER_OK);
  EXPECT_STREQ(falconer_model_prompt_style(base), "alpaca");
  const int32_t ids[] = {20, 21, 22};
  const auto states = [&](falconer_model* of) {
    std::vector<float> all(
        static_cast<size_t>((falconer_model_layers(of) + 1) * 3 * falconer_model_width(of)));
    EXPECT_EQ(falconer_model_hidden_states(of, ids, 3, all.data()), FALCONER_OK);
    return all;
  };
  const std::vector<float> with = states(model);
  EXPECT_EQ(states(base), with);
  ASSERT_EQ(falconer_model_set_adapter(base, nullptr), FALCONER_OK);
  EXPECT_STREQ(falconer_model_adapter(base), "");
  EXPECT_NE(states(base), with);
  EXPECT_EQ(falconer_model_set_adapter(base, "fox"), FALCONER_USAGE);
  EXPECT_STREQ(falconer_last_error(), "no adapter named \"fox\" is loaded; loaded are owl");
  EXPECT_EQ(falconer_model_unload_adapter(base, "owl"), FALCONER_OK);
  EXPECT_EQ(falconer_model_unload_adapter(base, nullptr), FALCONER_USAGE);
  EXPECT_EQ(falconer_model_hidden_states(base, ids, 0, nullptr), FALCONER_USAGE);
  falconer_model_free(model);
  falconer_model_free(base);
}

TEST_F(CApi, NothingIsFreedTwiceByNull) {
  falconer_report_free(nullptr);
  falconer_model_free(nullptr);
  falconer_ids_free(nullptr);
  falconer_completions_free(nullptr);
  falconer_text_free(nullptr);
  falconer_cancel_free(nullptr);
  falconer_cancel_request(nullptr);
  EXPECT_EQ(falconer_cancel_requested(nullptr), 0);
  EXPECT_EQ(falconer_model_vocab(nullptr), 0);
  EXPECT_STREQ(falconer_version(), version().c_str());
}

}  // namespace
}  // namespace falconer::test
