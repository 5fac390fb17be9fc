// Several adapters on one open base, and what else a model says of its inside.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/tiny_model.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

const std::vector<int32_t> kRow = {5, 17, 3, 42, 8, 8, 60, 1};

/// A tiny model, and an adapter of every method that moved away from it.
class LoadedAdapters : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    run_ = std::make_unique<TinyRun>(TinyShape{.init_std = 0.2});
    for (const char* method : {"lora", "adapter", "adapter-v2"}) train(method, method);
    FinetuneOptions dora = run_->options("lora", "dora");
    dora.lora_dora = true;
    dora.lora_targets = {"all-linear", "head"};
    folders_["dora"] = finetune(dora).final_folder;
  }
  static void TearDownTestSuite() { run_.reset(); }

  static void train(const std::string& method, const std::string& out) {
    FinetuneOptions options = run_->options(method, out);
    options.lr = 0.05;
    options.max_steps = 6;
    folders_[out] = finetune(options).final_folder;
  }

  static Model open(const std::string& adapter = "") {
    return Model::open({.checkpoint = run_->checkpoint,
                        .adapter = adapter.empty() ? "" : folders_.at(adapter),
                        .precision = GetParam()});
  }
  static std::vector<float> alone(const std::string& adapter) { return open(adapter).logits(kRow); }

  static std::unique_ptr<TinyRun> run_;
  static std::map<std::string, std::string> folders_;
};
std::unique_ptr<TinyRun> LoadedAdapters::run_;
std::map<std::string, std::string> LoadedAdapters::folders_;

TEST_P(LoadedAdapters, GiveWhatEachGivesAloneToTheBit) {
  std::map<std::string, std::vector<float>> wanted = {{"", alone("")}};
  Model model = open();
  for (const auto& [name, folder] : folders_) {
    wanted[name] = alone(name);
    EXPECT_NE(wanted[name], wanted[""]) << name << " learned nothing";
    model.load_adapter(name, folder);
    EXPECT_EQ(model.logits(kRow), wanted[""]) << name << " is loaded, and not in use";
  }
  EXPECT_EQ(model.adapters(), (std::vector<std::string>{"adapter", "adapter-v2", "dora", "lora"}));
  // Each after each, and the base between: nothing of one stays behind.
  for (const auto& [first, logits] : wanted)
    for (const auto& [second, others] : wanted) {
      model.set_adapter(first);
      EXPECT_EQ(model.adapter(), first);
      EXPECT_EQ(model.logits(kRow), logits) << first << " after another";
      model.set_adapter(second);
      EXPECT_EQ(model.logits(kRow), others) << second << " after " << first;
    }
}

TEST_P(LoadedAdapters, AnswersAreThoseOfEachAlone) {
  const SamplingSettings sampling = {.max_new_tokens = 12, .temperature = 0.7, .ignore_eos = true};
  Model model = open("adapter-v2");
  model.load_adapter("second", folders_.at("lora"));
  const auto answer = [&](Model& of) { return of.generate({kRow, {1, 2}}, sampling).at(1).ids; };
  Model v2 = open("adapter-v2"), lora = open("lora"), base = open();
  for (int i = 0; i < 2; ++i) {
    model.set_adapter("default");
    EXPECT_EQ(answer(model), answer(v2));
    model.set_adapter("second");
    EXPECT_EQ(answer(model), answer(lora));
    model.set_adapter("");
    EXPECT_EQ(answer(model), answer(base));
  }
}

TEST_P(LoadedAdapters, ComeAndGoWhileOthersStay) {
  Model model = open("adapter");
  const std::vector<float> base = alone("");
  for (int i = 0; i < 3; ++i) {
    model.load_adapter("v2", folders_.at("adapter-v2"));
    model.set_adapter("v2");
    EXPECT_EQ(model.logits(kRow), alone("adapter-v2"));
    model.load_adapter("more", folders_.at("dora"));
    EXPECT_EQ(model.logits(kRow), alone("adapter-v2"));
    model.unload_adapter("v2");
    EXPECT_EQ(model.adapter(), "");
    EXPECT_EQ(model.logits(kRow), base);
    model.set_adapter("more");
    EXPECT_EQ(model.logits(kRow), alone("dora"));
    model.unload_adapter("more");
  }
  model.set_adapter("default");
  EXPECT_EQ(model.logits(kRow), alone("adapter"));
  model.unload_adapter("default");
  EXPECT_EQ(model.logits(kRow), base);
  EXPECT_TRUE(model.adapters().empty());
}

TEST_P(LoadedAdapters, ErrorsNameThemAndChangeNothing) {
  Model model = open("lora");
  const std::vector<float> before = model.logits(kRow);
  const auto expect_error = [](auto&& work, std::initializer_list<const char*> parts) {
    expect_mentions(message_of(work), parts);
  };
  expect_error([&] { model.set_adapter("defualt"); },
               {"no adapter named \"defualt\"", "loaded are default", "did you mean default"});
  expect_error([&] { model.unload_adapter("x"); }, {"no adapter named \"x\""});
  expect_error([&] { model.unload_adapter(""); }, {"no adapter named \"\""});
  expect_error([&] { model.load_adapter("default", folders_.at("lora")); },
               {"\"default\" is loaded already", folders_.at("lora").c_str()});
  expect_error([&] { model.load_adapter("", folders_.at("lora")); }, {"needs a name"});
  expect_error([&] { model.load_adapter("x", ""); }, {"\"x\"", "folder"});
  expect_error([&] { model.load_adapter("x", run_->path("none")); }, {"none"});
  const TempFolder folder;
  fs::copy(folders_.at("adapter-v2"), folder / "cut");
  fs::resize_file(folder / "cut/adapter_model.safetensors", 1000);
  expect_error([&] { model.load_adapter("x", folder / "cut"); }, {"adapter_model.safetensors"});
  const TinyRun wider(TinyShape{.width = 64});
  FinetuneOptions options = wider.options("lora", "wider");
  const std::string other = finetune(options).final_folder;
  fs::remove(fs::path(other) / "falconer.json");  // nothing says of which base it is
  expect_error([&] { model.load_adapter("x", other); }, {"lora_A"});
  EXPECT_EQ(model.adapters(), std::vector<std::string>{"default"});
  EXPECT_EQ(model.logits(kRow), before);
  expect_error([&] { open().set_adapter("x"); }, {"no adapter is loaded"});
}

// Hooks of an answer must stay as long as it goes on.
TEST_P(LoadedAdapters, CannotBeChangedByWhatAnAnswerCalls) {
  const TempFolder folder;
  Model model = Model::open({.checkpoint = (fs::path(source_dir()) / "demo/checkpoint").string()});
  int refused = 0;
  model.generate({{20, 21, 22}}, {.max_new_tokens = 4, .temperature = 0, .ignore_eos = true},
                 [&](size_t, std::string_view) {
                   expect_mentions(message_of([&] { model.set_adapter(""); }), {"is answering"});
                   ++refused;
                 });
  EXPECT_GT(refused, 0);
  EXPECT_NO_THROW(model.set_adapter(""));
}

// Each costs its own tensors, and gives them back.
TEST_P(LoadedAdapters, OneThatIsUnloadedLeavesNothingBehind) {
  Model model = open();
  const auto maps = [] { return std::ranges::count(read_text_file("/proc/self/maps"), '\n'); };
  const auto once = [&] {
    model.load_adapter("x", folders_.at("adapter-v2"));
    model.set_adapter("x");
    model.generate({kRow}, {.max_new_tokens = 1, .temperature = 0});
    model.unload_adapter("x");
  };
  for (int i = 0; i < 5; ++i) once();
  const auto before = maps();
  for (int i = 0; i < 50; ++i) once();
  EXPECT_LE(maps() - before, 8);
}

TEST_P(LoadedAdapters, HiddenStatesBeginWithTheEmbeddingAndChangeWithTheAdapter) {
  Model model = open();
  const auto states = model.hidden_states(kRow);
  ASSERT_EQ(std::ssize(states), model.layers() + 1);
  for (const std::vector<float>& state : states)
    EXPECT_EQ(std::ssize(state), std::ssize(kRow) * model.width());
  // Tokens 4 and 5 of the row are one: their embedding is, and nothing behind it.
  const auto width = static_cast<size_t>(model.width());
  const auto row = [&](size_t state, size_t token) {
    const float* begin = states[state].data() + token * width;
    return std::vector<float>(begin, begin + width);
  };
  EXPECT_EQ(row(0, 4), row(0, 5));
  EXPECT_NE(row(1, 4), row(1, 5));
  model.load_adapter("x", folders_.at("lora"));
  model.set_adapter("x");
  const auto adapted = model.hidden_states(kRow);
  EXPECT_EQ(adapted[0], states[0]);
  EXPECT_NE(adapted[1], states[1]);
  for (const std::vector<int32_t>& wrong : {std::vector<int32_t>{}, {-1}, {61}})
    EXPECT_THROW(model.hidden_states(wrong), Error);
}

INSTANTIATE_TEST_SUITE_P(All, LoadedAdapters, ::testing::Values("f32", "bf16"),
                         [](const auto& which) { return std::string(which.param); });

}  // namespace
}  // namespace falconer::test
