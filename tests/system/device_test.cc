// Whole commands on a device: the emulated one, whose memory host code cannot touch and whose work
// is done as late as possible, and a real one where there is one. Beside the CPU's results.
#include <gtest/gtest.h>

#include "support/emulated_gpu.h"
// Behind it: the kernels' names.
#include "ops/cuda/launchers.h"
#include "ops/devices.h"
#include "support/devices.h"
#include "support/errors.h"
#include "support/run_files.h"
#include "support/tiny_model.h"

namespace falconer::test {
namespace {

class DeviceRuns : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!has_device(GetParam())) GTEST_SKIP() << "no " << GetParam() << " device is here";
  }
  bool emulated() const { return std::string(GetParam()) == "emulated"; }
  /// An emulated step takes some tenths of a second.
  int64_t steps() const { return emulated() ? 3 : 50; }

  std::vector<double> run(const FinetuneOptions& options) {
    finetune(options);
    return losses(options.out);
  }
};

struct MethodCase {
  const char* method;
  bool everything = false;  // LoRA with all that it can do
};
constexpr MethodCase kMethods[] = {{"lora"}, {"lora", true}, {"adapter"}, {"adapter-v2"}, {"full"}};

FinetuneOptions options_of(const TinyRun& run, const MethodCase& c, const std::string& out,
                           int64_t steps) {
  FinetuneOptions o = run.options(c.method, out);
  o.max_steps = steps;
  o.lr = 1e-3;
  if (!c.everything) return o;
  o.lora_targets = {"all-linear", "head"};
  o.lora_dora = o.lora_rs = true;
  return o;
}

TEST_P(DeviceRuns, LossesOfEveryMethodAreTheCpus) {
  for (const bool grouped : {false, true}) {
    const TinyRun tiny({.grouped = grouped});
    for (const MethodCase& c : kMethods) {
      SCOPED_TRACE(std::string(c.method) + (c.everything ? " (all)" : ""));
      FinetuneOptions o = options_of(tiny, c, "cpu", steps());
      const std::vector<double> want = run(o);
      o.device = GetParam();
      o.out = (tiny.folder / "device").string();
      const std::vector<double> got = run(o);
      ASSERT_EQ(got.size(), want.size());
      for (size_t i = 0; i < got.size(); ++i)
        EXPECT_NEAR(got[i], want[i], 2e-5 * static_cast<double>(i + 1) * want[i]) << "step " << i;
      std::filesystem::remove_all(tiny.folder / "cpu");
      std::filesystem::remove_all(tiny.folder / "device");
    }
  }
}

TEST_P(DeviceRuns, Bf16LossesAreNearTheCpus) {
  const TinyRun tiny;
  for (const MethodCase& c : kMethods) {
    SCOPED_TRACE(std::string(c.method) + (c.everything ? " (all)" : ""));
    FinetuneOptions o = options_of(tiny, c, "cpu", 3);
    o.precision = "bf16";
    const std::vector<double> want = run(o);
    o.device = GetParam();
    o.out = (tiny.folder / "device").string();
    const std::vector<double> got = run(o);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 0.01 * want[i]);
    std::filesystem::remove_all(tiny.folder / "cpu");
    std::filesystem::remove_all(tiny.folder / "device");
  }
}

TEST_P(DeviceRuns, TheSameSeedGivesTheSameBytesAlsoWhereARunIsResumed) {
  const TinyRun tiny;
  for (const char* method : {"lora", "full"}) {
    SCOPED_TRACE(method);
    const auto options = [&](const char* out) {
      FinetuneOptions o = tiny.options(method, std::string(method) + out);
      o.device = GetParam();
      o.precision = "bf16";
      o.schedule = "constant";
      return o;
    };
    const FinetuneOptions whole = options("whole");
    finetune(whole);
    FinetuneOptions part = options("part");
    part.max_steps = 2;
    part.save_interval = 2;
    finetune(part);
    part.max_steps = whole.max_steps;
    part.resume = "auto";
    finetune(part);
    const std::string name =
        method == std::string("full") ? "model.safetensors" : "adapter_model.safetensors";
    const auto bytes = [&](const FinetuneOptions& o) {
      return read_text_file(std::filesystem::path(o.out) / "final" / name);
    };
    EXPECT_TRUE(bytes(whole) == bytes(part));
  }
}

TEST_P(DeviceRuns, AnswersAreTheCpus) {
  const TinyRun tiny;
  for (const char* method : {"lora", "adapter", "adapter-v2"}) {
    SCOPED_TRACE(method);
    FinetuneOptions o = tiny.options(method, method);
    const std::string adapter = finetune(o).final_folder;
    const auto answers = [&](const std::string& device) {
      Model model = Model::open({.checkpoint = tiny.checkpoint,
                                 .adapter = adapter,
                                 .precision = "f32",
                                 .device = device});
      return model.generate({{3, 1, 4, 1, 5}, {9, 2}, {6, 5, 3}},
                            {.max_new_tokens = 6, .temperature = 0, .ignore_eos = true});
    };
    const auto want = answers("cpu"), got = answers(GetParam());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(got[i].ids, want[i].ids);
  }
}

TEST_P(DeviceRuns, ScoresAreTheCpus) {
  const TinyRun tiny;
  const auto scored = [&](const std::string& device) {
    ScoreOptions o{.checkpoint = tiny.checkpoint,
                   .data = tiny.path("rows.jsonl").string(),
                   .output = tiny.path("scored.jsonl").string(),
                   .logits = tiny.path("logits.safetensors").string(),
                   .device = device};
    score(o);
    std::vector<double> all;
    std::ifstream file(o.output);
    for (std::string line; std::getline(file, line);)
      all.push_back(nlohmann::json::parse(line)["loss"]);
    return all;
  };
  const auto want = scored("cpu"), got = scored(GetParam());
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-5 * want[i]);
}

// What tools/gpu-check measures with: any method on values that no file holds.
TEST_P(DeviceRuns, RandomWeightsNeedNoFiles) {
  const TinyRun tiny;
  for (const char* device : {"cpu", GetParam()}) {
    SCOPED_TRACE(device);
    FinetuneOptions o = tiny.options("lora", std::string("random-") + device);
    o.checkpoint = (tiny.folder / "config").string();
    o.from_scratch = true;
    o.precision = "bf16";
    o.device = device;
    EXPECT_EQ(run(o).size(), 4u);
    Model model = Model::open({.checkpoint = o.checkpoint,
                               .precision = "bf16",
                               .device = device,
                               .random_weights = true});
    EXPECT_EQ(model.generate({{1, 2, 3}}, {.max_new_tokens = 4, .ignore_eos = true})[0].ids.size(),
              4u);
  }
}

// Blocks are computed again behind the same queue: the same numbers, with less kept.
TEST_P(DeviceRuns, RecomputeChangesMemoryAlone) {
  const TinyRun tiny;
  for (const char* method : {"lora", "adapter-v2", "full"}) {
    SCOPED_TRACE(method);
    const auto options = [&](const char* recompute) {
      FinetuneOptions o = tiny.options(method, std::string(method) + recompute);
      o.device = GetParam();
      o.recompute = recompute;
      o.max_steps = 2;
      return o;
    };
    EXPECT_LT(dry_run(options("on")).memory_bytes, dry_run(options("off")).memory_bytes);
    EXPECT_EQ(run(options("on")), run(options("off")));
  }
}

TEST_P(DeviceRuns, ThePlanNamesTheDeviceAndMapsNothing) {
  const TinyRun tiny;
  FinetuneOptions o = tiny.options("lora", "out");
  o.device = GetParam();
  const FinetunePlan plan = dry_run(o);
  EXPECT_TRUE(plan.fits);
  EXPECT_GT(plan.memory_bytes, static_cast<int64_t>(Device::kBesideBytes));
  EXPECT_NE(plan.text.find(std::string("on ") + GetParam()), std::string::npos) << plan.text;
  EXPECT_EQ(plan.text.find("and the mapped weights"), std::string::npos) << plan.text;
  EXPECT_NE(falconer::plan(o).text.find("workspace"), std::string::npos);
}

TEST_P(DeviceRuns, LowMemoryIsRefused) {
  const TinyRun tiny;
  FinetuneOptions o = tiny.options("lora", "out");
  o.device = GetParam();
  o.low_memory = true;
  EXPECT_THROW(finetune(o), Error);
}

// Weights in bf16, moments in 8 bits, and moments in the host's memory: on a device as on the CPU.
TEST_P(DeviceRuns, FullFinetuningInLessMemory) {
  const TinyRun tiny({.layers = 2, .width = 64, .vocab = 97});
  for (const char* optimizer : {"adamw", "adamw-8bit"})
    for (const char* masters : {"f32", "bf16"}) {
      SCOPED_TRACE(std::string(optimizer) + " " + masters);
      FinetuneOptions o = options_of(tiny, {"full"}, "cpu", 3);
      o.precision = "bf16";
      o.optimizer = optimizer;
      o.master_weights = masters;
      o.overwrite = true;
      const std::vector<double> want = run(o);
      o.device = GetParam();
      const auto on_device = [&](const char* offload) {
        o.out = (tiny.folder / offload).string();
        o.offload_optimizer = offload;
        const std::vector<double> got = run(o);
        for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 0.01 * want[i]);
        return file_bytes(weights_of(std::filesystem::path(o.out) / "final"));
      };
      EXPECT_TRUE(on_device("off") == on_device("on"));
    }
}

TEST_P(DeviceRuns, WhatLiesOnTheHostIsResumedToo) {
  const TinyRun tiny;
  FinetuneOptions o = tiny.options("full", "whole");
  o.device = GetParam();
  o.precision = "bf16";
  o.schedule = "constant";
  o.optimizer = "adamw-8bit";
  o.master_weights = "bf16";
  o.offload_optimizer = "on";
  const auto result = [&] {
    return file_bytes(weights_of(std::filesystem::path(o.out) / "final"));
  };
  finetune(o);
  const std::string whole = result();
  const int64_t steps = o.max_steps;
  o.out = tiny.path("part").string();
  o.max_steps = o.save_interval = 2;
  finetune(o);
  o.max_steps = steps;
  o.resume = "auto";
  // Where it lies is no part of the run.
  o.offload_optimizer = "off";
  finetune(o);
  EXPECT_TRUE(result() == whole);
}

// Where full finetuning does not fit, what changes no number is tried first, and what was chosen is
// said.
TEST(DeviceMemory, FullFinetuningIsMadeToFit) {
  static size_t memory;
  add_device_kind({"short", [](int) {
                     return OpenedDevice{emulated::open_emulated({.memory_bytes = memory}),
                                         &emulated::kernels()};
                   }});
  const TinyRun tiny({.layers = 2, .width = 64, .vocab = 997});
  FinetuneOptions o = tiny.options("full", "out");
  o.device = "short";
  o.precision = "bf16";
  o.max_steps = 1;
  o.overwrite = true;
  const auto needs = [&](const char* masters, const char* offload, const char* recompute) {
    FinetuneOptions fixed = o;
    fixed.master_weights = masters;
    fixed.offload_optimizer = offload;
    fixed.recompute = recompute;
    memory = size_t{4} << 30;
    return static_cast<size_t>(dry_run(fixed).memory_bytes);
  };
  const size_t whole = needs("f32", "off", "off"), again = needs("f32", "off", "on");
  const size_t offloaded = needs("f32", "on", "off"), offloaded_again = needs("f32", "on", "on");
  const size_t least = needs("bf16", "on", "on");
  ASSERT_LT(again, whole);
  ASSERT_LT(offloaded, again);
  ASSERT_LT(least, offloaded_again);
  const auto chosen = [&](size_t bytes) {
    memory = bytes;
    const std::string text = dry_run(o).text;
    const auto says = [&](const char* part) { return text.find(part) != std::string::npos; };
    return std::string(says("weights in bf16") ? "bf16 " : "") +
           (says("on the host, pinned") ? "offload " : "") +
           (says("--recompute") ? "recompute" : "");
  };
  EXPECT_EQ(chosen(whole), "");
  EXPECT_EQ(chosen(again), "recompute");
  EXPECT_EQ(chosen(offloaded), "offload ");
  EXPECT_EQ(chosen(offloaded_again), "offload recompute");
  EXPECT_EQ(chosen(least), "bf16 offload recompute");
  EXPECT_EQ(finetune(o).steps, 1);  // in all of it, with nothing to spare
  memory = least - 1;
  expect_mentions(message_of([&] { finetune(o); }),
                  {"can be had on emulated", "on the host", "--optimizer adamw-8bit"});
}

// A device whose memory ends between what a run needs with and without recompute, and below both.
TEST(DeviceMemory, IsPlannedAndRefused) {
  static size_t memory;
  add_device_kind({"small", [](int) {
                     return OpenedDevice{emulated::open_emulated({.memory_bytes = memory}),
                                         &emulated::kernels()};
                   }});
  const TinyRun tiny;
  FinetuneOptions o = tiny.options("lora", "out");
  o.device = "small";
  o.max_steps = 1;
  o.overwrite = true;
  const auto needs = [&](const char* recompute) {
    memory = size_t{4} << 30;
    o.recompute = recompute;
    return static_cast<size_t>(dry_run(o).memory_bytes);
  };
  const size_t whole = needs("off"), less = needs("on");
  ASSERT_LT(less, whole);
  o.recompute = "auto";
  memory = whole;
  EXPECT_EQ(dry_run(o).text.find("--recompute"), std::string::npos);
  // All of a run, with nothing to spare: the plan is right.
  memory = (less + whole) / 2;
  EXPECT_NE(dry_run(o).text.find("--recompute"), std::string::npos);
  EXPECT_EQ(finetune(o).steps, 1);
  memory = less - 1;
  EXPECT_FALSE(dry_run(o).fits);
  try {
    finetune(o);
    FAIL();
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("can be had on emulated"), std::string::npos) << what;
    EXPECT_NE(what.find("--micro-batch-size 1"), std::string::npos) << what;
    EXPECT_EQ(what.find("--low-memory"), std::string::npos) << what;
  }
}

INSTANTIATE_TEST_SUITE_P(All, DeviceRuns, testing::Values("emulated", "cuda"),
                         [](const auto& test) { return std::string(test.param); });

TEST(DeviceNames, AreChecked) {
  const TinyRun tiny;
  FinetuneOptions o = tiny.options("lora", "out");
  for (const char* name : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0"}) {
    o.device = name;
    EXPECT_THROW(finetune(o), Error) << name;
  }
}

}  // namespace
}  // namespace falconer::test
