// Answers computed together are, to the bit, those that each has alone: whatever runs beside them, of which adapters,
// with beginnings found in the cache or not, in whatever parts prompts are read, and after giving way.
#include "generate/scheduler.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/made_checkpoint.h"

namespace falconer::test {
namespace {

using nlohmann::json;

/// What an answer was, with the chances of its tokens: these show a difference of one bit.
struct Told {
  std::vector<int32_t> ids;
  std::vector<float> chances, prompt_chances;
  std::string finish_reason, error, text;
  int64_t cached = 0;
  bool operator==(const Told& other) const {
    return ids == other.ids && chances == other.chances && finish_reason == other.finish_reason;
  }
};

void take(Told& told, const AnswerProgress& progress) {
  told.ids.insert(told.ids.end(), progress.ids.begin(), progress.ids.end());
  for (const TokenChances& token : progress.chances) {
    told.chances.push_back(token.chosen);
    for (const auto& [id, chance] : token.most_likely) told.chances.push_back(chance);
  }
  for (const TokenChances& token : progress.prompt_chances)
    told.prompt_chances.push_back(token.chosen);
  told.text += progress.text;
  told.cached += progress.cached_tokens;
  told.error += progress.error;
  if (!progress.finish_reason.empty()) told.finish_reason = progress.finish_reason;
}

/// Falcon's, or with a state that is carried on beside keys and values.
struct Model {
  const char *family, *precision;
};

class Scheduling : public ::testing::TestWithParam<Model> {
 protected:
  static constexpr TinyShape kShape = {.layers = 2, .width = 64, .heads = 4, .grouped = true};
  static inline const json kContext = {{"max_position_embeddings", 512}};

  static void SetUpTestSuite() {
    set_verbosity("quiet");
    folder_ = std::make_unique<TempFolder>();
    write_rows(*folder_ / "rows.jsonl", 16);
    make_adapters(write_checkpoint(*folder_ / "falcon", {.shape = kShape, .config = kContext}));
    json h1 = h1_settings();
    h1.update(kContext);
    h1.update(json{{"ssm_in_multiplier", 1.25}, {"attention_in_multiplier", 0.8}});
    make_adapters(write_checkpoint(*folder_ / "falcon_h1", {.shape = kShape, .config = h1}));
  }
  static void make_adapters(const std::string& base) {
    for (const char* name : {"lora", "adapter", "adapter-v2", "rows", "dora"}) {
      FinetuneOptions o = short_run(name, base, *folder_, name);
      o.out = base + "-" + name;
      if (std::string(name) == "rows" || std::string(name) == "dora") o.method = "lora";
      if (std::string(name) == "dora") o.lora_dora = true;
      if (o.method == "lora") o.lora_targets = {"all-linear"};
      if (std::string(name) == "rows") o.lora_targets = {"q", "v", "head"};
      o.lr = 0.05;
      finetune(o);
    }
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::unique_ptr<Session> open(const Model& model) {
    const std::string base = (*folder_ / model.family).string();
    auto session =
        Session::open({.checkpoint = base, .precision = parse_precision(model.precision)});
    for (const char* name : {"lora", "adapter", "adapter-v2", "rows", "dora"})
      session->load_adapter(name, base + "-" + name + "/final");
    return session;
  }

  /// Requests over the base and all adapters; prompts of 1 to 250 tokens, of which many begin alike.
  static std::vector<AnswerRequest> requests() {
    const std::vector<std::string> adapters = {"",     "lora", "adapter", "adapter-v2",
                                               "rows", "dora", "lora",    ""};
    const std::vector<int64_t> sizes = {1,  5,   31,  32,  33,  40,  64,  65,
                                        70, 128, 129, 130, 191, 192, 193, 250};
    std::vector<AnswerRequest> all;
    for (size_t i = 0; i < 32; ++i) {
      AnswerRequest request{.adapter = adapters[i % adapters.size()],
                            .stream = static_cast<uint32_t>(i),
                            .chances = 3};
      const int64_t size = sizes[(i * 7 + i / 16) % sizes.size()];
      for (int64_t k = 0; k < size; ++k)
        request.prompt.push_back(static_cast<int32_t>(
            1 + (k * k + k / 7 + (k > 130 ? static_cast<int64_t>(i) : 0)) % 60));
      request.options = {.max_new_tokens = 20 + static_cast<int64_t>(i % 5) * 11,
                         .sampling = {.temperature = i % 3 == 0 ? 0.0 : 1.0, .top_k = 0},
                         .ignore_eos = true};
      if (i % 8 == 6) request.adapter_scale = 0.5;
      all.push_back(std::move(request));
    }
    return all;
  }

  static std::vector<Told> answers(Session& session, const SchedulerOptions& options,
                                   const std::vector<AnswerRequest>& requests,
                                   SchedulerCounts* counts = nullptr) {
    Scheduler scheduler(session, options);
    std::vector<Told> told(requests.size());
    for (size_t i = 0; i < requests.size(); ++i)
      scheduler.add(requests[i], [&told, i](const AnswerProgress& p) { take(told[i], p); });
    while (scheduler.step()) {
    }
    if (counts != nullptr) *counts = scheduler.counts();
    return told;
  }

  static std::vector<Told> alone(Session& session, const std::vector<AnswerRequest>& requests) {
    std::vector<Told> told;
    for (const AnswerRequest& request : requests)
      told.push_back(answers(session, {.pages = 8, .most_running = 1}, {request})[0]);
    return told;
  }

  static void expect_same(const std::vector<Told>& got, const std::vector<Told>& want,
                          const std::vector<AnswerRequest>& requests) {
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i].error, "");
      EXPECT_TRUE(got[i] == want[i])
          << i << ": prompt of " << requests[i].prompt.size() << ", adapter \""
          << requests[i].adapter << "\", " << got[i].ids.size() << " and " << want[i].ids.size()
          << " tokens";
    }
  }

  static inline std::unique_ptr<TempFolder> folder_;
};

TEST_P(Scheduling, GivesEachAnswerTheBitsThatItHasAlone) {
  const auto session = open(GetParam());
  const std::vector<AnswerRequest> asked = requests();
  const std::vector<Told> want = alone(*session, asked);
  EXPECT_EQ(want[0].ids.size(), 20u);
  std::set<std::vector<int32_t>> different;
  for (const Told& told : want) different.insert(told.ids);
  EXPECT_GT(different.size(), 25u);
  for (const bool keep : {false, true})
    for (const int64_t part : {64, 512})
      for (const int64_t running : {3, 32}) {
        SCOPED_TRACE(fmt::format("keep {}, parts of {}, {} running", keep, part, running));
        SchedulerCounts counts;
        expect_same(answers(*session,
                            {.pages = 200,
                             .kept_states = 6,
                             .most_running = running,
                             .prompt_part = part,
                             .part_beside = part,
                             .keep_prefixes = keep},
                            asked, &counts),
                    want, asked);
        EXPECT_EQ(counts.cached_tokens > 0, keep);
        EXPECT_EQ(counts.preemptions, 0);
      }
}

TEST_P(Scheduling, AnAnswerThatGaveWayGoesOnWithTheSameBits) {
  const auto session = open(GetParam());
  std::vector<AnswerRequest> asked = requests();
  for (AnswerRequest& request : asked) request.options.max_new_tokens = 200;
  const std::vector<Told> want = alone(*session, asked);
  for (const bool keep : {false, true}) {
    SchedulerCounts counts;
    expect_same(answers(*session,
                        {.pages = 14, .kept_states = 2, .most_running = 32, .keep_prefixes = keep},
                        asked, &counts),
                want, asked);
    EXPECT_GT(counts.preemptions, 3);
  }
}

TEST_P(Scheduling, WhatWasKeptOfPromptsGivesTheSameBitsLater) {
  const auto session = open(GetParam());
  const std::vector<AnswerRequest> asked = requests();
  const std::vector<Told> want = alone(*session, asked);
  Scheduler scheduler(*session,
                      {.pages = 60, .kept_states = 12, .most_running = 4, .keep_prefixes = true});
  for (int round = 0; round < 3; ++round) {
    std::vector<Told> told(asked.size());
    for (size_t i = 0; i < asked.size(); ++i) {
      const size_t k = (i * 13 + static_cast<size_t>(round) * 5) % asked.size();
      scheduler.add(asked[k], [&told, k](const AnswerProgress& p) { take(told[k], p); });
      scheduler.step();
    }
    while (scheduler.step()) {
    }
    expect_same(told, want, asked);
  }
  EXPECT_GT(scheduler.counts().cached_tokens, 3000);
  for (const char* name : {"", "lora", "adapter"}) scheduler.forget(name);
}

TEST_P(Scheduling, PromptChancesAreThoseOfScore) {
  const auto session = open(GetParam());
  AnswerRequest request = requests()[3];
  request.prompt.resize(200, 9);
  request.prompt_chances = true;
  request.options.max_new_tokens = 1;
  const Told told =
      answers(*session, {.pages = 9, .most_running = 2, .keep_prefixes = true}, {request})[0];
  ASSERT_EQ(told.prompt_chances.size(), 199u);
  session->use_adapter(request.adapter);
  double sum = 0;
  for (const float chance : told.prompt_chances) sum -= static_cast<double>(chance);
  const BatchBuffer::Sequence row{.ids = request.prompt, .labels = request.prompt};
  const BatchBuffer batch = BatchBuffer::for_training({&row, 1});
  LossSum loss;
  const auto pass = [&](falconer::Run& run) { loss = session->decoder().loss(run, batch.batch()); };
  session->reserve(pass);
  pass(session->run());
  EXPECT_NEAR(sum, loss.sum, (std::string(GetParam().precision) == "f32" ? 1e-5 : 1e-2) * loss.sum);
}

TEST_P(Scheduling, PromptChancesAreGivenOnceAlsoWhereAnAnswerGaveWay) {
  const auto session = open(GetParam());
  std::vector<AnswerRequest> asked;
  for (int32_t i = 0; i < 6; ++i) {
    asked.push_back(requests()[3]);
    asked.back().prompt.assign(150, 7 + i);
    asked.back().prompt_chances = true;
    asked.back().options.max_new_tokens = 150;
  }
  const std::vector<Told> want = alone(*session, asked);
  SchedulerCounts counts;
  const std::vector<Told> got = answers(*session, {.pages = 12, .most_running = 6}, asked, &counts);
  expect_same(got, want, asked);
  for (size_t i = 0; i < asked.size(); ++i)
    EXPECT_EQ(got[i].prompt_chances, want[i].prompt_chances);
  EXPECT_EQ(want[0].prompt_chances.size(), 149u);
  EXPECT_GT(counts.preemptions, 0);
}

TEST_P(Scheduling, CancelsAndRefuses) {
  const auto session = open(GetParam());
  std::vector<AnswerRequest> asked = requests();
  Scheduler scheduler(*session, {.pages = 40, .most_running = 2});
  std::vector<Told> told(4);
  std::vector<uint64_t> numbers;
  for (size_t i = 0; i < 4; ++i)
    numbers.push_back(
        scheduler.add(asked[i], [&told, i](const AnswerProgress& p) { take(told[i], p); }));
  scheduler.step();
  scheduler.cancel(numbers[1]);  // runs
  scheduler.cancel(numbers[3]);  // waits
  EXPECT_TRUE(scheduler.uses("adapter"));
  while (scheduler.step()) {
  }
  EXPECT_EQ(told[1].finish_reason, "cancelled");
  EXPECT_EQ(told[3].finish_reason, "cancelled");
  EXPECT_EQ(told[3].ids.size(), 0u);
  EXPECT_EQ(told[0].finish_reason, "length");
  EXPECT_EQ(told[2].finish_reason, "length");
  EXPECT_FALSE(scheduler.uses("adapter"));
  EXPECT_EQ(scheduler.counts().pages_held, 0);

  const auto refused = [&](auto change) {
    AnswerRequest request = asked[0];
    change(request);
    return message_of([&] { scheduler.add(request, {}); });
  };
  EXPECT_EQ(refused([](AnswerRequest& r) { r.prompt.clear(); }),
            "the prompt is empty: give at least one token");
  EXPECT_NE(refused([](AnswerRequest& r) { r.prompt = {61}; }).find("61"), std::string::npos);
  EXPECT_NE(refused([](AnswerRequest& r) { r.prompt.assign(512, 1); }).find("context is 512"),
            std::string::npos);
  EXPECT_NE(refused([](AnswerRequest& r) { r.adapter = "lorra"; }).find("lora"), std::string::npos);
  EXPECT_NE(refused([](AnswerRequest& r) {
              r.adapter = "adapter", r.adapter_scale = 2;
            }).find("only a LoRA"),
            std::string::npos);
  EXPECT_NE(refused([](AnswerRequest& r) { r.adapter = "dora", r.adapter_scale = 2; }).find("DoRA"),
            std::string::npos);
}

/// A grammar that nothing but one token fits.
class OnlyFive : public TokenMask {
 public:
  void allowed(std::vector<bool>& tokens) const override { tokens[5] = true; }
  void push(int32_t id) override { EXPECT_EQ(id, 5); }
};

TEST_P(Scheduling, WhatBansRepeatedWordsGivesWayToAMask) {
  const auto session = open(GetParam());
  AnswerRequest request = requests()[0];
  request.options.max_new_tokens = 6;
  request.options.sampling.no_repeat_ngram_size = 1;
  request.mask = std::make_shared<OnlyFive>();
  const Told told = answers(*session, {.pages = 8, .most_running = 1}, {request})[0];
  EXPECT_EQ(told.ids, std::vector<int32_t>(6, 5));
}

// Users take turns, whoever asked for how much before.
TEST_P(Scheduling, UsersTakeTurns) {
  const auto session = open(GetParam());
  Scheduler scheduler(*session, {.pages = 40, .most_running = 1});
  std::vector<std::string> order;
  for (const char* user : {"a", "a", "a", "a", "b", "c"}) {
    AnswerRequest request = requests()[0];
    request.options.max_new_tokens = 1;
    request.user = user;
    scheduler.add(request, [&order, user](const AnswerProgress& p) {
      if (!p.finish_reason.empty()) order.push_back(user);
    });
  }
  while (scheduler.step()) {
  }
  EXPECT_EQ(order, (std::vector<std::string>{"a", "b", "c", "a", "a", "a"}));
}

INSTANTIATE_TEST_SUITE_P(All, Scheduling,
                         ::testing::Values(Model{"falcon", "f32"}, Model{"falcon", "bf16"},
                                           Model{"falcon_h1", "f32"}, Model{"falcon_h1", "bf16"}),
                         [](const auto& info) {
                           return fmt::format("{}_{}", info.param.family, info.param.precision);
                         });

}  // namespace
}  // namespace falconer::test
