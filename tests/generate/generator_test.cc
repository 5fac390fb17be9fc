// An answer is a function of the model, its prompt, the seed and the prompt's number, and of nothing
// that is answered beside it.
#include "generate/generator.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/made_checkpoint.h"

namespace falconer::test {
namespace {

using nlohmann::json;

class Generation : public ::testing::Test {
 protected:
  Generation() {
    set_verbosity("quiet");
    checkpoint_ = write_checkpoint(folder_ / "m", {.shape = {.layers = 2, .vocab = 640}});
    add_demo_tokenizer(checkpoint_);
    for (int i = 0; i < 9; ++i) {
      prompts_.emplace_back();
      for (int k = 0; k <= i % 4; ++k) prompts_.back().push_back(1 + (37 * i + 11 * k) % 600);
    }
  }

  // Answers of different lengths: sequences leave the batch at different steps.
  static SamplingSettings sampling() {
    return {.max_new_tokens = 12, .temperature = 1, .top_k = 0, .seed = 3, .stop = {"e", "\n"}};
  }

  TempFolder folder_;
  std::string checkpoint_;
  std::vector<std::vector<int32_t>> prompts_;
};

TEST_F(Generation, TheStreamOfAPromptIsNamedByItsNumber) {
  Model model = Model::open({.checkpoint = checkpoint_});
  const std::vector<Completion> all = model.generate(prompts_, sampling());
  for (const size_t batch : {1, 2, 4, 7})
    for (size_t begin = 0; begin < prompts_.size(); begin += batch) {
      const size_t end = std::min(prompts_.size(), begin + batch);
      SamplingSettings some = sampling();
      some.first_prompt = static_cast<uint32_t>(begin);
      const auto part = model.generate(
          {prompts_.begin() + std::ptrdiff_t(begin), prompts_.begin() + std::ptrdiff_t(end)}, some);
      for (size_t i = begin; i < end; ++i) {
        EXPECT_EQ(part[i - begin].ids, all[i].ids) << i << " in a batch of " << batch;
        EXPECT_EQ(part[i - begin].finish_reason, all[i].finish_reason);
      }
    }
  std::set<std::vector<int32_t>> different;
  const auto same = model.generate({prompts_[0], prompts_[0], prompts_[0]}, sampling());
  for (const Completion& one : same) different.insert(one.ids);
  EXPECT_EQ(different.size(), 3u) << "the same prompt under another number draws other numbers";
}

TEST_F(Generation, EvaluateAnswersTheSameInEveryBatch) {
  std::ofstream file(folder_ / "rows.jsonl");
  for (int i = 0; i < 9; ++i)
    file << json({{"instruction", fmt::format("Say {}.", i % 3)}, {"output", "x"}}).dump() << "\n";
  file.close();
  EvaluateOptions options{.model = {.checkpoint = checkpoint_},
                          .data = (folder_ / "rows.jsonl").string(),
                          .sampling = sampling()};
  options.batch_size = 1;
  const EvaluateReport one = evaluate(options);
  for (const int64_t batch : {2, 4, 9, 32}) {
    options.batch_size = batch;
    const EvaluateReport many = evaluate(options);
    for (size_t i = 0; i < one.models[0].rows.size(); ++i)
      EXPECT_EQ(many.models[0].rows[i].answer, one.models[0].rows[i].answer)
          << i << " in batches of " << batch;
  }
  EXPECT_NE(one.models[0].rows[0].answer, one.models[0].rows[3].answer)
      << "one question, two numbers";
}

TEST_F(Generation, ATensorThatIsNotFiniteIsNamed) {
  const std::string damaged = write_checkpoint(
      folder_ / "nan", {.edit = [](const Param& param, std::vector<float>& values) {
        if (param.name == "transformer.h.1.mlp.dense_h_to_4h.weight") values[32 * 2 + 5] = NAN;
      }});
  Model model = Model::open({.checkpoint = damaged});
  expect_mentions(
      message_of([&] {
        model.generate({{1, 2}}, sampling());
      }),
      {"prompt 1", "transformer.h.1.mlp.dense_h_to_4h.weight holds nan at row 2, column 5"});
}

// Keeps out defect 23 of docs/defects.md: the context is 64, and nothing rolls on behind it.
TEST(Defects, GenerationEndsWithTheContext) {
  const TinyRun run;
  Model model = Model::open({.checkpoint = run.checkpoint});
  const SamplingSettings greedy{.max_new_tokens = 100, .temperature = 0, .ignore_eos = true};
  const auto answers =
      model.generate({std::vector<int32_t>(60, 5), std::vector<int32_t>(63, 7)}, greedy);
  EXPECT_EQ(answers[0].ids.size(), 4u);
  EXPECT_EQ(answers[1].ids.size(), 1u);
  for (const Completion& answer : answers) EXPECT_EQ(answer.finish_reason, "length");
  expect_mentions(message_of([&] { model.generate({std::vector<int32_t>(64, 5)}, greedy); }),
                  {"64"});
}

// Keeps out defect 24 of docs/defects.md, in a model without any adapter.
TEST(Defects, TheBaseModelStopsAtEndOfText) {
  const TinyRun run({.init_std = 0.2});
  SamplingSettings greedy{.max_new_tokens = 6, .temperature = 0, .ignore_eos = true};
  const auto before =
      Model::open({.checkpoint = run.checkpoint}).generate({{5, 6, 7}}, greedy).front();
  ASSERT_EQ(before.ids.size(), 6u);
  // What it says first shall mean the end.
  const std::string config = run.checkpoint + "/config.json";
  json settings = json::parse(read_text_file(config));
  settings["eos_token_id"] = before.ids.front();
  write_file(config, settings.dump());
  greedy.ignore_eos = false;
  const auto after =
      Model::open({.checkpoint = run.checkpoint}).generate({{5, 6, 7}}, greedy).front();
  EXPECT_TRUE(after.ids.empty());
  EXPECT_EQ(after.finish_reason, "stop");
}

// Models are padded to more ids than their tokenizer has: such an id is no text, and no error.
TEST(Decoded, AnIdThatTheTokenizerLacksSaysNothing) {
  const TinyRun run({.vocab = 1000, .init_std = 0.2});
  const std::string demo = std::string(source_dir()) + "/demo/checkpoint/";
  for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
    write_file(run.checkpoint + "/" + file, read_text_file(demo + file));
  Model model = Model::open({.checkpoint = run.checkpoint});
  const auto answer =
      model.generate({{5, 6, 7}}, {.max_new_tokens = 50, .temperature = 10, .top_k = 0}).front();
  EXPECT_TRUE(std::any_of(answer.ids.begin(), answer.ids.end(), [](int32_t id) {
    return id >= 600;
  })) << "the test does not test what it should";
}

}  // namespace
}  // namespace falconer::test
