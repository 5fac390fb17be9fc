// Settings of models, adapters and runs whose numbers no model has.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/toml.h"
#include "checkpoint/safetensors_writer.h"
#include "falconer/falconer.h"
#include "method/method.h"
#include "model/arch/architecture.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "support/tiny_model.h"
#include "train/metrics.h"

namespace falconer::test {
namespace {

using nlohmann::json;

TEST(HostileSettings, SizesOfAModelAreSizes) {
  const TempFolder folder;
  for (const char* key : {"hidden_size", "num_hidden_layers", "vocab_size", "eos_token_id"})
    for (const json& value :
         {json(INT64_MAX), json(UINT64_MAX), json(1e300), json(-1e300), json(2.5)}) {
      json config = json::parse(tiny_config({}));
      config[key] = value;
      if (std::string(key) == "eos_token_id") config[key] = json::array({value});
      write_file(folder / "config.json", config.dump());
      expect_mentions(
          message_of([&] { read_model_config(folder.path().string()); }),
          {"config.json", ("\"" + std::string(key) + "\"").c_str(), "a whole number from"});
    }
  json config = json::parse(tiny_config({}));
  config["hidden_size"] = int64_t{1} << 22;
  write_file(folder / "config.json", config.dump());
  expect_mentions(message_of([&] { read_model_config(folder.path().string()); }), {"hidden_size"});
  config["hidden_size"] = 32;
  config["rope_theta"] = 1e300;
  write_file(folder / "config.json", config.dump());
  expect_mentions(message_of([&] { read_model_config(folder.path().string()); }), {"rope_theta"});
}

TEST(HostileSettings, NumbersOfAnAdapterAreWhole) {
  const TempFolder folder;
  const Tensor values(1, 8, Dtype::kF32);
  for (const char* name : {"a", "b"})
    write_safetensors(folder / "adapter_model.safetensors", {{name, {4, 2}, values.view()}});
  const auto open = [&](const json& config) {
    write_file(folder / "adapter_config.json", config.dump());
    return message_of([&] { open_adapter(folder.path().string()); });
  };
  expect_mentions(open({{"peft_type", "LORA"}, {"r", 1e300}}), {"\"r\"", "whole number"});
  expect_mentions(open({{"peft_type", "ADAPTER"}, {"adapter_length", -2.5}}),
                  {"adapter_length", "whole number"});
}

TEST(HostileSettings, LoraOfWholeNumbersIsRefused) {
  const TempFolder folder;
  const std::vector<int32_t> values(8);
  const View view{const_cast<int32_t*>(values.data()), 1, 8, 8, Dtype::kI32};
  write_safetensors(folder / "adapter_model.safetensors",
                    {{"base_model.model.x.lora_B.weight", {4, 2}, view}});
  write_file(folder / "adapter_config.json", R"({"peft_type": "LORA", "r": 2})");
  expect_mentions(message_of([&] { open_adapter(folder.path().string()); }), {"lora_B", "f32"});
}

TEST(HostileSettings, FiguresOfARunMayBeAnything) {
  const TempFolder folder;
  write_file(folder / "metrics.jsonl",
             R"({"step":1e300,"loss":1,"tokens":-1e300,"seconds":1,"peak_rss_bytes":1e200})"
             "\n"
             R"({"step":"two","loss":[]})"
             "\n");
  const RunsReport report = list_runs(folder.path().string(), "name");
  ASSERT_EQ(report.runs.size(), 1u);
  EXPECT_EQ(report.runs[0].tokens, 0);
  MetricsLog log(folder.path(), 3, false);  // a resumed run keeps what it can use
}

TEST(HostileSettings, ARecipeOfManyKeysIsReadQuickly) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "k" + std::to_string(i) + "=1\n";
  EXPECT_EQ(parse_toml(text, "recipe.toml").size(), 100'000u);
  expect_mentions(message_of([&] { parse_toml(text + "k7=2", "recipe.toml"); }),
                  {"k7 was given in line 8"});
}

}  // namespace
}  // namespace falconer::test
