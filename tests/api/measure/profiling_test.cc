// --profile and --dump-activations, as commands write them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/output.h"
#include "checkpoint/tensor_file.h"
#include "support/errors.h"
#include "support/made_checkpoint.h"

namespace falconer::test {
namespace {

std::vector<float> floats_of(const TensorFiles& files, const std::string& name) {
  const StoredTensor* tensor = files.find(name);
  if (tensor == nullptr) {
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
  EXPECT_EQ(tensor->dtype, Dtype::kF32) << name;
  const float* values = reinterpret_cast<const float*>(tensor->bytes.data());
  return {values, values + tensor->size()};
}

double furthest(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    most = std::max(most, std::fabs(static_cast<double>(a[i]) - b[i]));
  return most;
}

std::vector<float> sum_of(std::vector<float> a, const std::vector<float>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) a[i] += b[i];
  return a;
}

class Activations : public ::testing::Test {
 protected:
  Activations() { write_file(folder / "rows.jsonl", "{\"input_ids\": [3, 1, 4, 1, 5, 9]}\n"); }
  /// What score writes of the row.
  TensorFiles dumped(const MadeCheckpoint& made, const std::string& precision = "f32") {
    write_checkpoint(folder / "model", made);
    ScoreOptions options{.checkpoint = (folder / "model").string(),
                         .data = (folder / "rows.jsonl").string(),
                         .output = (folder / "scores.jsonl").string(),
                         .logits = (folder / "logits.safetensors").string(),
                         .dump_activations = (folder / "activations.safetensors").string(),
                         .precision = precision};
    score(options);
    EXPECT_TRUE(is_marked_written(options.dump_activations));
    return TensorFiles::open_file(options.dump_activations);
  }
  /// Each block's output is the next one's input, what its branches add; the logits are those of --logits.
  void expect_chain(const TensorFiles& files, bool two_norms, double bound) {
    std::vector<float> x = floats_of(files, "embedding");
    for (int l = 0; l < 2; ++l) {
      const std::string in = fmt::format("layers.{}.", l);
      floats_of(files, in + "input_norm");
      EXPECT_EQ(files.find(in + "mlp_norm") != nullptr, two_norms);
      x = sum_of(sum_of(x, floats_of(files, in + "attention")), floats_of(files, in + "mlp"));
      EXPECT_LE(furthest(x, floats_of(files, in + "block")), bound) << l;
      x = floats_of(files, in + "block");
    }
    EXPECT_EQ(floats_of(files, "final_norm").size(), x.size());
    const TensorFiles logits = TensorFiles::open_file(folder / "logits.safetensors");
    EXPECT_EQ(floats_of(files, "logits"), floats_of(logits, "logits.0"));
  }
  TempFolder folder;
};

TEST_F(Activations, ChainUpToTheLogits) { expect_chain(dumped({}), false, 1e-5); }

TEST_F(Activations, OfTwoNorms) {
  MadeCheckpoint made;
  made.shape.grouped = true;
  expect_chain(dumped(made), true, 1e-5);
}

TEST_F(Activations, OfASequentialBlock) {
  MadeCheckpoint made;
  made.config = {{"parallel_attn", false}, {"alibi", true}};
  expect_chain(dumped(made), true, 1e-5);
}

TEST_F(Activations, AreInF32WhateverIsComputedIn) {
  expect_chain(dumped({.dtype = [](const Param&) { return Dtype::kBF16; }}, "bf16"), false, 0.1);
}

TEST_F(Activations, AreWrittenWhereTheLossIsNoNumber) {
  MadeCheckpoint made;
  made.edit = [](const Param& param, std::vector<float>& values) {
    if (param.name.find("h.1.mlp.dense_h_to_4h.weight") != std::string::npos)
      values[0] = std::numeric_limits<float>::quiet_NaN();
  };
  expect_mentions(message_of([&] { dumped(made); }), {"dense_h_to_4h"});
  const TensorFiles files = TensorFiles::open_file(folder / "activations.safetensors");
  for (const float value : floats_of(files, "layers.1.attention"))
    EXPECT_TRUE(std::isfinite(value));
  EXPECT_TRUE(std::isnan(floats_of(files, "layers.1.mlp")[0]));
}

TEST_F(Activations, OfAPromptAndItsFile) {
  dumped({});
  Model model = Model::open({.checkpoint = (folder / "model").string(), .precision = "f32"});
  const std::string file = folder / "prompt.safetensors";
  model.dump_activations({3, 1, 4, 1, 5, 9}, file);
  EXPECT_EQ(
      floats_of(TensorFiles::open_file(file), "layers.1.block"),
      floats_of(TensorFiles::open_file(folder / "activations.safetensors"), "layers.1.block"));
  EXPECT_NE(read_text_file(file).find("[3, 1, 4, 1, 5, 9]"), std::string::npos);
  write_file(folder / "mine.txt", "mine");
  expect_mentions(message_of([&] { model.dump_activations({3}, folder / "mine.txt"); }),
                  {"mine.txt", "did not write"});
  EXPECT_EQ(read_text_file(folder / "mine.txt"), "mine");
}

/// Complete events of a trace, by time.
struct Traced {
  std::string name;
  double begin, end;
  bool op;
};

std::vector<Traced> events_of(const std::string& path) {
  std::vector<Traced> events;
  for (const auto& event : nlohmann::json::parse(read_text_file(path))) {
    EXPECT_EQ(event["pid"], 1);
    if (event["ph"] != "X") continue;
    const double ts = event["ts"];
    events.push_back({event["name"], ts, ts + event["dur"].get<double>(), event["cat"] == "op"});
  }
  return events;
}

void expect_nested(const std::vector<Traced>& events) {
  constexpr double kRounding = 0.002;  // of a sum of microseconds in three places
  std::vector<Traced> open;
  for (const Traced& event : events) {
    while (!open.empty() && open.back().end <= event.begin + kRounding) open.pop_back();
    if (!open.empty()) {
      EXPECT_LE(event.end, open.back().end + kRounding) << event.name;
    }
    open.push_back(event);
  }
}

TEST(Profiling, OfARunHasItsStepsAndTheirOps) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.max_steps = 3;
  o.profile = run.path("trace.json");
  finetune(o);
  const std::vector<Traced> events = events_of(o.profile);
  expect_nested(events);
  std::map<std::string, int> steps;
  double ops = 0, whole = 0;
  for (const Traced& event : events) {
    if (event.name.starts_with("step ")) {
      ++steps[event.name];
      whole += event.end - event.begin;
    } else if (event.op) {
      ops += event.end - event.begin;
    }
  }
  EXPECT_EQ(steps, (std::map<std::string, int>{{"step 1", 1}, {"step 2", 1}, {"step 3", 1}}));
  EXPECT_GT(ops, 0);
  EXPECT_LE(ops, whole + 1);
  EXPECT_TRUE(is_marked_written(o.profile));
  // The bytes of a run are the same with it and without.
  FinetuneOptions plain = run.options("lora", "plain");
  plain.max_steps = 3;
  finetune(plain);
  EXPECT_EQ(read_text_file(run.path("out/final/adapter_model.safetensors")),
            read_text_file(run.path("plain/final/adapter_model.safetensors")));
}

TEST(Profiling, OfAnAnswerHasItsPromptAndItsTokens) {
  const TinyRun run;
  Model model = Model::open({.checkpoint = run.checkpoint});
  model.begin_profile(run.path("trace.json"));
  model.generate({{1, 2, 3}}, {.max_new_tokens = 4, .ignore_eos = true});
  model.end_profile();
  const std::vector<Traced> events = events_of(run.path("trace.json"));
  expect_nested(events);
  EXPECT_EQ(std::ranges::count(events, std::string("prompt 0"), &Traced::name), 1);
  EXPECT_EQ(std::ranges::count(events, std::string("token"), &Traced::name), 3);
  model.generate({{1, 2, 3}}, {.max_new_tokens = 4});  // and nothing is taken any more
}

TEST(Profiling, ReplacesNothingOfTheUsersOrOfTheRun) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.max_steps = 1;
  o.profile = run.path("rows.jsonl");
  expect_mentions(message_of([&] { finetune(o); }), {"rows.jsonl", "--profile"});
  o.profile = run.path("out/metrics.jsonl");
  finetune(run.options("lora", "out"));
  o.overwrite = true;
  expect_mentions(message_of([&] { finetune(o); }), {"metrics.jsonl", "--profile"});
}

}  // namespace
}  // namespace falconer::test
