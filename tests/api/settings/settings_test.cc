// The table of settings: every field is in it, and what it says reaches recipes, records and checks. Runs
// that an earlier version wrote (tests/api/settings/earlier_runs) are read as they were.
#include "api/settings/settings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "api/finetune/finetune_options.h"
#include "api/finetune/recipe.h"
#include "base/file.h"
#include "base/toml.h"
#include "data/dataset.h"
#include "data/formats.h"
#include "falconer/falconer.h"
#include "method/precision.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/spike_guard.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kMethodNames = {"lora", "adapter", "adapter-v2", "full"};

/// The fields of `type` in a header of include/falconer, with '-' for '_'.
std::set<std::string> fields_of(const std::string& header, const std::string& type) {
  const std::string text = read_text_file(fs::path(source_dir()) / "include/falconer" / header);
  const size_t begin = text.find("struct " + type + " {");
  std::string body = text.substr(begin, text.find("\n};", begin) - begin);
  body = std::regex_replace(body.substr(body.find('{') + 1), std::regex("//[^\n]*"), "");
  body = std::regex_replace(body, std::regex("\\{[^{}]*\\}"), "");  // initialisers of lists
  std::set<std::string> names;
  const std::regex declared("[A-Za-z_:<>0-9]+\\s+([^;]+);");
  for (std::sregex_iterator found(body.begin(), body.end(), declared), end; found != end; ++found) {
    std::istringstream list((*found)[1].str());
    for (std::string item; std::getline(list, item, ',');) {
      std::smatch name;
      if (!std::regex_search(item, name, std::regex("[a-z_0-9]+"))) continue;
      std::string key = name.str();
      std::replace(key.begin(), key.end(), '_', '-');
      names.insert(key);
    }
  }
  return names;
}

template <class Options>
std::set<std::string> names_in_table() {
  Options options;
  std::set<std::string> names;
  for (const Setting& setting : settings_of(options)) names.insert(setting.name);
  return names;
}

TEST(Settings, HaveEveryFieldOfARun) {
  std::set<std::string> fields = fields_of("finetune.h", "FinetuneOptions");
  EXPECT_GT(fields.size(), 60u);
  EXPECT_EQ(fields.erase("recipe"), 1u);  // where the others were read from
  EXPECT_EQ(names_in_table<FinetuneOptions>(), fields);
}

TEST(Settings, HaveEveryFieldOfSampling) {
  std::set<std::string> fields = fields_of("use.h", "SamplingSettings");
  EXPECT_EQ(fields.erase("first-prompt"), 1u);  // a caller's counter
  EXPECT_EQ(names_in_table<SamplingSettings>(), fields);
}

TEST(Settings, NamesAreTakenOnce) {
  FinetuneOptions options;
  std::set<std::string> names;
  for (const Setting& setting : settings_of(options)) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    for (const std::string& alias : setting.aliases)
      EXPECT_TRUE(names.insert(alias).second) << alias;
    EXPECT_FALSE(setting.help.empty()) << setting.name;
    EXPECT_FALSE(setting.group.empty()) << setting.name;
  }
}

/// A value that is not the default, and that the setting may have.
std::string another_value(const Setting& setting) {
  const std::string type = type_of(setting.value), now = text_of(setting.value);
  for (const std::string& choice : setting.choices)
    if (choice != now) return choice;
  if (type == "bool") return now == "true" ? "false" : "true";
  if (type == "string") return "x";
  const std::string number = now == "3" ? "4" : "3";
  return setting.most && *setting.most < 3 ? "0.5" : number;
}

// What set() takes is what the recipe says and what a recipe that is read sets again.
TEST(Settings, GoToRecipesAndBack) {
  for (const std::string& method : kMethodNames) {
    FinetuneOptions o;
    const auto table = settings_of(o);
    for (const Setting& setting : table)
      if (setting.name != "init-adapter")
        set(o, setting.name, setting.name == "method" ? method : another_value(setting));
    FinetuneOptions read;
    std::set<std::string> keys;
    for (const TomlEntry& entry : parse_toml(recipe_text(o), "recipe")) {
      std::string text;
      for (const std::string& value : entry.values) text += (text.empty() ? "" : ",") + value;
      set(read, entry.key, text);
      keys.insert(entry.key);
    }
    for (const SettingRow& row : rows_of(read)) {
      const std::string key = key_of(row);
      const bool expected = row.in_recipe && bears_on(row, method) && key != "init-adapter";
      EXPECT_EQ(keys.contains(key), expected) << key << " of " << method;
      if (!expected) continue;
      for (const Setting& setting : settings_of(o))
        if (setting.name == key) {
          EXPECT_EQ(text_of(row.value), text_of(setting.value)) << key;
        }
    }
  }
}

TEST(Settings, OfAnAdapterThatIsTrainedOnAreNotInTheRecipe) {
  FinetuneOptions o;
  o.init_adapter = "a";
  std::string text = recipe_text(o);
  EXPECT_NE(text.find("init-adapter = \"a\""), std::string::npos);
  EXPECT_EQ(text.find("lora-"), std::string::npos) << text;
  o.lora_dropout = 0.25;  // asked for beside it
  text = recipe_text(o);
  EXPECT_NE(text.find("lora-dropout = 0.25"), std::string::npos) << text;
}

TEST(Settings, WhatIsRecordedTellsRunsApart) {
  const auto record = [](const FinetuneOptions& o) {
    return recorded_settings(o,
                             {.lr = o.lr.value_or(0), .weight_decay = o.weight_decay.value_or(0)},
                             o.warmup_steps.value_or(0));
  };
  const FinetuneOptions defaults;
  FinetuneOptions table;
  for (const SettingRow& row : rows_of(table)) {
    FinetuneOptions o;
    for (const Setting& setting : settings_of(o))
      if (setting.name == key_of(row)) set(o, setting.name, another_value(setting));
    // mask_prompt is a name of train_on.
    EXPECT_EQ(record(o) != record(defaults),
              row.recorded || row.since_records || key_of(row) == "mask-prompt")
        << key_of(row);
  }
}

TEST(Settings, ThatCameLaterAreRecordedWhereTheyAreNotTheDefault) {
  int64_t first = 1, later = 2, unrecorded = 3, changed = 4;
  const auto rows = [&](int64_t& value) {
    return std::vector<SettingRow>{
        {.names = "the-first", .value = &first, .help = "", .recorded = true},
        {.names = "later", .value = &value, .help = "", .since_records = true},
        {.names = "other", .value = &unrecorded, .help = ""}};
  };
  using Record = std::map<std::string, std::string>;
  EXPECT_EQ(record_of(rows(later), rows(later)), (Record{{"the_first", "1"}}));
  EXPECT_EQ(record_of(rows(changed), rows(later)), (Record{{"the_first", "1"}, {"later", "4"}}));
}

// A recipe of before has no word of a setting that came later.
TEST(Settings, OfRecipesAreTheSameWithDefaultsSaidOrNot) {
  EXPECT_TRUE(same_settings("lora-r = 4\nlr = 1e-3\n", "lr = 0.001\nkeep = 2\nlora-r = 4\n"));
  EXPECT_FALSE(same_settings("lora-r = 4\n", "lora-r = 5\n"));
  EXPECT_FALSE(same_settings("lora-r = 4\n", "lora-r = 4\nkeep = 3\n"));
  EXPECT_FALSE(same_settings("lora-r = 4\n", "lora-r = 4\nno-setting = 3\n"));
  EXPECT_FALSE(same_settings("lora-r = 4\n", "lora-r = = 4\n"));
}

TEST(Settings, AreSetByNameOrRefused) {
  FinetuneOptions o;
  set(o, "lora_r", "32");
  set(o, "learning-rate", "1e-3");
  set(o, "lora-targets", "q,dense");
  EXPECT_EQ(o.lora_r, 32);
  EXPECT_EQ(o.lr, 1e-3);
  EXPECT_EQ(o.lora_targets, (std::vector<std::string>{"q", "dense"}));
  expect_mentions(message_of([&] { set(o, "lora-rr", "3"); }), {"lora-rr", "did you mean lora-r"});
  expect_mentions(message_of([&] { set(o, "lora-r", "0"); }), {"--lora-r is 0", "from 1 to 4096"});
  expect_mentions(message_of([&] { set(o, "lora-r", "many"); }), {"--lora-r is \"many\""});
  expect_mentions(message_of([&] { set(o, "shuffle", "maybe"); }), {"true or false"});
  expect_mentions(message_of([&] { set(o, "schedule", "cosin"); }), {"--schedule", "cosine"});
  EXPECT_EQ(o.lora_r, 32);
  EXPECT_EQ(o.schedule, "constant");
  SamplingSettings sampling;
  set(sampling, "stop", "a,b");
  set(sampling, "stop", "c");
  EXPECT_EQ(sampling.stop, (std::vector<std::string>{"a,b", "c"}));
  expect_mentions(message_of([&] { set(sampling, "top-p", "2"); }), {"--top-p is 2"});
}

/// What reads texts later on.
void parse_all(const FinetuneOptions& o) {
  make_method({.method = o.method});
  parse_schedule(o.schedule);
  parse_optimizer(o.optimizer);
  parse_on_spike(o.on_spike);
  parse_precision(o.precision);
  find_data_format(o.data_format);
  parse_train_on(o.train_on);
}

template <class Options>
class CommandSettings : public ::testing::Test {};
using Commands =
    ::testing::Types<FinetuneOptions, ModelOptions, SamplingSettings, EvaluateOptions, ServeOptions,
                     ScoreOptions, TokenizeOptions, PrepareOptions, CheckOptions, CompareOptions,
                     DownloadOptions, MergeOptions, ExportOptions, VerifyOptions>;
TYPED_TEST_SUITE(CommandSettings, Commands);

// Each default is one that could be set, and what is beyond a range is refused.
TYPED_TEST(CommandSettings, TakeTheirDefaultsAndRefuseWhatIsBeyond) {
  TypeParam defaults;
  std::set<std::string> names;
  for (const Setting& setting : settings_of(defaults)) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_FALSE(setting.help.empty()) << setting.name;
    TypeParam options;
    const std::string text = text_of(setting.value), type = type_of(setting.value);
    if (!text.empty()) {
      set(options, setting.name, text);
      for (const Setting& after : settings_of(options))
        EXPECT_EQ(after.name == setting.name ? text_of(after.value) : text, text) << setting.name;
    }
    const bool number = type == "int" || type == "float";
    EXPECT_EQ(number, !setting.expected.empty()) << setting.name << " needs a range";
    if (number && *setting.least > -1e9) {
      EXPECT_THROW(set(options, setting.name, "-1000000"), Error) << setting.name;
    }
    if (number) {
      EXPECT_THROW(set(options, setting.name, "x"), Error) << setting.name;
    }
    if (!setting.choices.empty() && !setting.open) {
      EXPECT_THROW(set(options, setting.name, "neither"), Error) << setting.name;
    }
  }
}

// A setting's choices are those that the run takes.
TEST(Settings, ChoicesAreTakenAndOthersAreNot) {
  FinetuneOptions table;
  for (const Setting& setting : settings_of(table)) {
    if (setting.choices.empty() || setting.open) continue;
    for (std::string choice : setting.choices) {
      FinetuneOptions o;
      o.checkpoint = o.data = "none";
      set(o, setting.name, choice);
      if (setting.name == "master-weights") o.method = "full";
      EXPECT_NO_THROW(check_options(o)) << setting.name << " " << choice;
      EXPECT_NO_THROW(parse_all(o)) << setting.name << " " << choice;
    }
    FinetuneOptions o;
    o.checkpoint = o.data = "none";
    for (const Setting& one : settings_of(o))
      if (one.name == setting.name) *std::get<std::string*>(one.value) = "neither";
    expect_mentions(message_of([&] { check_options(o); }), {setting.name.c_str(), "neither"});
  }
}

// The library's defaults are the method's.
// A program that spells them by the header's constants is checked by its compiler.
TEST(Settings, TheHeaderHasTheWordsOfEveryClosedChoice) {
  using Words = std::set<std::string>;
  const Words on_off = {AutoOnOff::kAuto, AutoOnOff::kOn, AutoOnOff::kOff};
  const Words precisions = {PrecisionName::kAuto, PrecisionName::kF32, PrecisionName::kBF16};
  const std::map<std::string, Words> kWords = {
      {"method",
       {MethodName::kLora, MethodName::kAdapter, MethodName::kAdapterV2, MethodName::kFull}},
      {"precision", precisions},
      {"master-weights", precisions},
      {"optimizer", {OptimizerName::kAdamW, OptimizerName::kAdamW8bit, OptimizerName::kSgd}},
      {"schedule", {ScheduleName::kConstant, ScheduleName::kLinear, ScheduleName::kCosine}},
      {"loss-average", {LossAverageName::kToken, LossAverageName::kMicroBatch}},
      {"train-on", {TrainOnName::kAllTurns, TrainOnName::kLastTurn, TrainOnName::kEverything}},
      {"recompute", on_off},
      {"offload-optimizer", on_off},
      {"shard", {ShardName::kAuto, ShardName::kNone, ShardName::kOptimizer, ShardName::kAll}},
      {"compute", {ComputeName::kAuto, ComputeName::kExact, ComputeName::kInt8}},
      {"on-spike", {OnSpikeName::kWarn, OnSpikeName::kSkip, OnSpikeName::kOff}}};
  FinetuneOptions options;
  size_t found = 0;
  for (const Setting& setting : settings_of(options)) {
    if (setting.choices.empty() || type_of(setting.value) != "string") continue;
    const auto words = kWords.find(setting.name);
    if (words == kWords.end()) {
      EXPECT_TRUE(setting.open || setting.name == "data-format") << setting.name;
      continue;
    }
    ++found;
    EXPECT_EQ(Words(setting.choices.begin(), setting.choices.end()), words->second) << setting.name;
  }
  EXPECT_EQ(found, kWords.size());
}

TEST(Settings, DefaultsOfMethodsAreThoseOfRuns) {
  const MethodOptions ours = method_options({}), theirs;
  EXPECT_EQ(ours.lora_r, theirs.lora_r);
  EXPECT_EQ(ours.lora_alpha, theirs.lora_alpha);
  EXPECT_EQ(ours.lora_dropout, theirs.lora_dropout);
  EXPECT_EQ(ours.lora_targets, theirs.lora_targets);
  EXPECT_EQ(ours.lora_rs, theirs.lora_rs);
  EXPECT_EQ(ours.lora_dora, theirs.lora_dora);
  EXPECT_EQ(ours.adapter_length, theirs.adapter_length);
  EXPECT_EQ(ours.adapter_start_layer, theirs.adapter_start_layer);
  EXPECT_EQ(ours.bf16_weights, theirs.bf16_weights);
}

/// The numbers in the help of a setting whose default depends on something.
std::vector<double> numbers_in_help(const std::string& name) {
  FinetuneOptions o;
  std::vector<double> numbers;
  const std::regex number("[0-9][0-9.e-]*");
  for (const Setting& setting : settings_of(o))
    if (setting.name == name)
      for (std::sregex_iterator at(setting.help.begin(), setting.help.end(), number), end;
           at != end; ++at)
        numbers.push_back(std::stod(at->str()));
  return numbers;
}

TEST(Settings, HelpSaysWhatDefaultsComeTo) {
  using Numbers = std::vector<double>;
  const FinetuneDefaults lora = defaults_of("lora"), adapter = defaults_of("adapter"),
                         full = defaults_of("full");
  EXPECT_EQ(numbers_in_help("lr"), (Numbers{lora.lr, adapter.lr, full.lr}));
  EXPECT_EQ(numbers_in_help("weight-decay"), (Numbers{lora.weight_decay, full.weight_decay}));
  EXPECT_EQ(adapter.weight_decay, full.weight_decay);
  EXPECT_EQ(numbers_in_help("lora-dropout"), Numbers{lora_dropout_of({})});
  const auto length = [](int64_t rows) { return run_length({}, {}, rows); };
  EXPECT_EQ(numbers_in_help("batch-size"), Numbers{static_cast<double>(length(1).batch_size)});
  EXPECT_EQ(numbers_in_help("epochs"), (Numbers{static_cast<double>(length(3999).epochs), 4000,
                                                static_cast<double>(length(4000).epochs)}));
}

class EarlierRuns : public ::testing::Test {
 protected:
  fs::path kept(const std::string& name) const {
    return fs::path(source_dir()) / "tests/api/settings/earlier_runs" / name;
  }
  std::string recipe(const std::string& run) const {
    return read_text_file(kept(run) / "recipe.toml");
  }
  FinetuneOptions options(const std::string& run) const {
    FinetuneOptions o;
    for (const TomlEntry& entry : parse_toml(recipe(run), run)) {
      std::string text;
      for (const std::string& value : entry.values) text += (text.empty() ? "" : ",") + value;
      set(o, entry.key, text);
    }
    return o;
  }
  /// The run again.
  FinetuneOptions repeated(const std::string& run) const {
    FinetuneOptions o = options(run);
    o.checkpoint = (fs::path(source_dir()) / "demo/checkpoint").string();
    o.data = kept("rows.jsonl").string();
    o.out = (folder / run).string();
    o.precision = record(kept(run))["settings"]["precision"];  // a recipe has what "auto" came to
    if (!o.init_adapter.empty()) o.init_adapter = (folder / "every-flag/final").string();
    return o;
  }
  nlohmann::json record(const fs::path& path) const {
    return nlohmann::json::parse(read_text_file(path / "falconer.json"));
  }

  TempFolder folder;
};

const std::vector<std::string> kRuns = {"lora", "adapter",    "adapter-v2",
                                        "full", "every-flag", "trained-on"};

TEST_F(EarlierRuns, HaveTheSameRecipe) {
  for (const std::string& run : kRuns)
    EXPECT_TRUE(same_settings(recipe_text(options(run)), recipe(run)))
        << recipe_text(options(run)) << recipe(run);
  EXPECT_FALSE(same_settings(recipe("lora"), recipe("full")));
}

TEST_F(EarlierRuns, AreTheSameRunsToResume) {
  set_verbosity("quiet");
  for (const std::string& run : kRuns) {
    FinetuneOptions o = repeated(run);
    finetune(o);
    o.precision = options(run).precision;
    EXPECT_TRUE(same_settings(read_text_file(folder / run / "recipe.toml"), recipe_text(o))) << run;
    const auto now = record(folder / run / "final"), then = record(kept(run));
    EXPECT_EQ(now["settings"], then["settings"]) << run;
    EXPECT_EQ(now["hashes"]["settings"], then["hashes"]["settings"]) << run;
    EXPECT_EQ(now["hashes"]["data"], then["hashes"]["data"]) << run;
    EXPECT_EQ(now["prompt_template"], then["prompt_template"]) << run;
  }
}

TEST_F(EarlierRuns, HaveAStateThatIsRead) {
  const TrainState state = read_train_state(kept("every-flag"));
  EXPECT_EQ(state.step, 1);
  EXPECT_GT(state.tokens, 0);
  const auto saved = read_record(kept("every-flag"));
  ASSERT_TRUE(saved.has_value());
  FinetuneOptions o;
  take_method_settings(saved->settings, o);
  EXPECT_EQ(o.lora_r, 4);
  EXPECT_EQ(o.lora_alpha, 8.5);
  EXPECT_EQ(o.lora_dropout, 0.1);
  EXPECT_EQ(o.lora_targets, (std::vector<std::string>{"q", "dense"}));
  EXPECT_TRUE(o.lora_rs);
}

}  // namespace
}  // namespace falconer::test
