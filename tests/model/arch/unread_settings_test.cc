// What stands in a config.json and transformers does not read, or refuses: no model is computed otherwise.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "method/session.h"
#include "model/arch/architecture.h"
#include "support/errors.h"
#include "support/said.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

using nlohmann::json;

constexpr const char* kFamilies[] = {"falcon", "gpt_neox", "llama",  "mistral",   "qwen2",
                                     "qwen3",  "phi3",     "gemma",  "gemma2",    "gemma3_text",
                                     "olmo2",  "stablelm", "cohere", "starcoder2"};

class UnreadSettings : public ::testing::Test {
 protected:
  ModelConfig read(const char* type, const json& more) {
    json config = {{"model_type", type},       {"hidden_size", 32},
                   {"num_attention_heads", 4}, {"num_hidden_layers", 2},
                   {"vocab_size", 61},         {"intermediate_size", 48},
                   {"num_key_value_heads", 2}, {"new_decoder_architecture", true},
                   {"num_kv_heads", 2}};
    if (std::string_view(type).starts_with("gemma")) config["head_dim"] = 8;
    if (std::string_view(type) == "qwen3") config["head_dim"] = 8;
    if (more.is_object()) config.update(more);
    // A place of its own: a warning is said once.
    where = folder / ("model-" + std::to_string(++models));
    make_folder(where);
    write_file(where / "config.json", config.dump());
    return read_model_config(where.string());
  }
  std::string said(const char* type, const json& more) {
    return log_and_error(LogLevel::kWarning, [&] { read(type, more); });
  }

  TempFolder folder;
  std::filesystem::path where;
  int models = 0;
};

TEST_F(UnreadSettings, AShareOfAHeadIsRotatedInTheFamiliesThatHaveOne) {
  for (const char* type : kFamilies) {
    SCOPED_TRACE(type);
    const json half = {{"partial_rotary_factor", 0.5}};
    const json within = {
        {"rope_parameters", {{"rope_theta", 10000.0}, {"partial_rotary_factor", 0.5}}}};
    const bool reads = type == std::string("phi3") || type == std::string("stablelm");
    const bool neox = type == std::string("gpt_neox");
    EXPECT_EQ(read(type, half).rope_dims, reads ? 4 : neox ? 2 : 8);
    EXPECT_EQ(read(type, within).rope_dims, reads || neox ? 4 : 8);
    if (reads || neox) {
      EXPECT_EQ(said(type, neox ? within : half), "");
      continue;
    }
    for (const json& more : {half, within})
      expect_mentions(said(type, more), {"config.json", "\"partial_rotary_factor\" is 0.5", "all"});
    EXPECT_EQ(said(type, {{"partial_rotary_factor", 1.0}}), "");
    // transformers fails as it computes such a model.
    json scaled = half;
    scaled["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 2.0}};
    expect_mentions(message_of([&] { read(type, scaled); }), {"partial_rotary_factor", "scaled"});
  }
  EXPECT_EQ(read("gpt_neox", {{"rotary_pct", 0.5}}).rope_dims, 4);
  EXPECT_EQ(read("llama", {{"rotary_pct", 0.5}}).rope_dims, 8);
}

TEST_F(UnreadSettings, AWarningIsSaidOnceForAFile) {
  EXPECT_NE(said("llama", {{"partial_rotary_factor", 0.5}}), "");
  EXPECT_EQ(log_and_error(LogLevel::kWarning, [&] { read_model_config(where.string()); }), "");
}

TEST_F(UnreadSettings, LayersOfOtherKindsAreRefusedByName) {
  for (const char* type : kFamilies)
    for (const char* kind : {"linear_attention", "chunked_attention"})
      expect_mentions(message_of([&] {
                        read(type, {{"layer_types", {kind, "full_attention"}}});
                      }),
                      {"layer_types", kind, "full_attention"});
}

TEST_F(UnreadSettings, AWindowIsInEveryLayerOfTheFamiliesWithoutKindsOfLayers) {
  const json some = {{"sliding_window", 5},
                     {"layer_types", {"sliding_attention", "full_attention"}}};
  for (const char* type : {"mistral", "phi3", "starcoder2"}) {
    SCOPED_TRACE(type);
    EXPECT_EQ(read(type, some).windows, (std::vector<int64_t>{5, 5}));
    expect_mentions(said(type, some), {"layer_types", "5"});
    json all = some;
    all["layer_types"] = {"sliding_attention", "sliding_attention"};
    EXPECT_EQ(said(type, all), "");
  }
  json qwen = some;
  qwen["use_sliding_window"] = true;
  EXPECT_EQ(read("qwen2", qwen).windows, (std::vector<int64_t>{5, 0}));
}

TEST_F(UnreadSettings, OnlyGemma2CapsItsScores) {
  const json cap = {{"attn_logit_softcapping", 3.0}};
  EXPECT_EQ(read("gemma2", cap).score_cap, 3);
  EXPECT_EQ(read("gemma3_text", cap).score_cap, 0);
  expect_mentions(said("gemma3_text", cap), {"attn_logit_softcapping", "3"});
  EXPECT_EQ(read("gemma3_text", {{"final_logit_softcapping", 3.0}}).logit_cap, 3);
}

TEST_F(UnreadSettings, ScalingsNeedWhatTransformersNeeds) {
  const auto scaling = [](json one) { return json{{"rope_scaling", std::move(one)}}; };
  const json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 32}};
  EXPECT_NO_THROW(read("llama", scaling(llama3)));
  for (const char* key : {"low_freq_factor", "high_freq_factor", "factor"}) {
    json without = llama3;
    without.erase(key);
    expect_mentions(message_of([&] { read("llama", scaling(without)); }), {key});
  }
  json yarn = {{"rope_type", "yarn"}, {"original_max_position_embeddings", 32}};
  expect_mentions(message_of([&] { read("llama", scaling(yarn)); }), {"yarn", "factor"});
  yarn["factor"] = nullptr;
  EXPECT_NO_THROW(read("llama", scaling(yarn)));
  expect_mentions(message_of([&] {
                    read("phi3", scaling({{"rope_type", "linear"}, {"factor", 2.0}}));
                  }),
                  {"longrope"});
}

TEST_F(UnreadSettings, WithoutABaseThatOfTheFamilyIsTaken) {
  EXPECT_EQ(read("llama", {}).rope_base, 10000);
  EXPECT_EQ(read("cohere", {}).rope_base, 500000);
  EXPECT_EQ(read("gemma3_text", {}).rope_base, 1000000);
  EXPECT_EQ(read("gemma3_text", {}).window_rope_base, 10000);
}

TEST_F(UnreadSettings, ModelsOfOtherKindsAreToldByWhatTheyAre) {
  const auto refused = [&](const char* type, const json& more) {
    return message_of([&] { read(type, more); });
  };
  expect_mentions(refused("FalconH1", {}), {"called \"falcon_h1\""});
  expect_mentions(refused("llama", {{"rope_theta", {{"__float__", "NaN"}}}}),
                  {"rope_theta", "is NaN"});
  expect_mentions(refused("gemma3", {{"text_config", {{"model_type", "gemma3_text"}}}}),
                  {"gemma3", "images", "\"gemma3_text\"", "by themselves"});
  expect_mentions(refused("mixtral", {{"num_local_experts", 8}}),
                  {"mixtral", "mixture of experts"});
  expect_mentions(refused("qwen2_moe", {{"num_experts", 8}}), {"qwen2_moe", "mixture of experts"});
  expect_mentions(refused("falcon_mamba", {{"state_size", 16}}), {"falcon_mamba", "state space"});
  EXPECT_EQ(refused("bert", {}).find('('), std::string::npos);
}

TEST_F(UnreadSettings, AHeadThatIsRotatedInPartHasNoPlaceInSomeFamilies) {
  ModelConfig config = read("llama", {});
  config.rope_dims = 4;  // as settings of LitGPT may have it
  expect_mentions(message_of([&] { architecture("llama").config_json(config); }),
                  {"llama", "4 of the 8"});
}

TEST_F(UnreadSettings, ANormBeginsAsOneThatMultipliesByOne) {
  for (const char* type :
       {"gemma", "gemma2", "gemma3_text", "llama", "olmo2", "cohere", "falcon"}) {
    read(type, json::object());
    const auto session = Session::open({.checkpoint = where.string(), .from_scratch = true});
    const float first = std::string_view(type).starts_with("gemma") ? 0 : 1;
    for (const auto& param : session->weights().params) {
      if (!param->vector() || !param->name.ends_with(".weight")) continue;
      const std::vector<float> values = host_values(param->value);
      EXPECT_EQ(std::count(values.begin(), values.end(), first), std::ssize(values)) << param->name;
    }
  }
}

TEST_F(UnreadSettings, BiasesWithoutAPlaceAreSaidWithAWayOut) {
  ModelConfig config = read("qwen3", {});
  config.set_biases(true);
  json file = json::object();
  const std::string said = message_of([&] { architecture("qwen3").write_config(config, file); });
  expect_mentions(said, {"qwen3", "Adapter v2", "--adapter"});
  EXPECT_EQ(said.find("LLaMA"), std::string::npos);
}

}  // namespace
}  // namespace falconer::test
