// Every number of a config.json, as what it should not be.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "model/arch/architecture.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

using nlohmann::json;

const json kFalcon = {{"model_type", "falcon"},     {"hidden_size", 32},
                      {"num_attention_heads", 4},   {"num_hidden_layers", 2},
                      {"vocab_size", 61},           {"new_decoder_architecture", true},
                      {"num_kv_heads", 2},          {"num_ln_in_parallel_attn", 2},
                      {"ffn_hidden_size", 128},     {"max_position_embeddings", 64},
                      {"eos_token_id", 1},          {"bos_token_id", 1},
                      {"layer_norm_epsilon", 1e-5}, {"rope_theta", 10000.0},
                      {"initializer_range", 0.02}};
const json kNeoX = {
    {"model_type", "gpt_neox"},      {"hidden_size", 32},  {"num_attention_heads", 4},
    {"num_hidden_layers", 2},        {"vocab_size", 61},   {"intermediate_size", 128},
    {"max_position_embeddings", 64}, {"eos_token_id", 1},  {"bos_token_id", 1},
    {"layer_norm_eps", 1e-5},        {"rotary_pct", 0.25}, {"rotary_emb_base", 10000.0},
    {"initializer_range", 0.02}};

/// Every number that families of LLaMA's shape have, in the ones that read them.
std::vector<json> todays_families() {
  const json llama = {{"model_type", "llama"},    {"hidden_size", 32},
                      {"num_attention_heads", 4}, {"num_hidden_layers", 2},
                      {"vocab_size", 61},         {"intermediate_size", 48},
                      {"num_key_value_heads", 2}, {"head_dim", 8},
                      {"rms_norm_eps", 1e-5},     {"max_position_embeddings", 64},
                      {"eos_token_id", 1},        {"bos_token_id", 1},
                      {"rope_theta", 10000.0},    {"initializer_range", 0.02}};
  const auto like = [&](const char* type, const json& more,
                        std::initializer_list<const char*> less = {}) {
    json made = llama;
    made["model_type"] = type;
    made.update(more);
    for (const char* key : less) made.erase(key);
    return made;
  };
  return {llama,
          like("mistral", {{"sliding_window", 8}}),
          like("qwen2",
               {{"use_sliding_window", true}, {"sliding_window", 8}, {"max_window_layers", 1}}),
          like("qwen3",
               {{"use_sliding_window", true}, {"sliding_window", 8}, {"max_window_layers", 1}}),
          like("phi3", {{"sliding_window", 8},
                        {"partial_rotary_factor", 0.5},
                        {"original_max_position_embeddings", 32}}),
          like("gemma", json::object()),
          like("gemma2", {{"sliding_window", 8},
                          {"query_pre_attn_scalar", 16.0},
                          {"attn_logit_softcapping", 5.0},
                          {"final_logit_softcapping", 9.0}}),
          like("gemma3_text", {{"sliding_window", 8},
                               {"query_pre_attn_scalar", 16.0},
                               {"sliding_window_pattern", 2},
                               {"rope_local_base_freq", 100.0}}),
          like("olmo2", json::object()),
          like("stablelm", {{"layer_norm_eps", 1e-5}, {"partial_rotary_factor", 0.5}},
               {"rms_norm_eps"}),
          like("cohere", {{"layer_norm_eps", 1e-5}, {"logit_scale", 0.5}}, {"rms_norm_eps"}),
          like("starcoder2", {{"norm_epsilon", 1e-5}, {"sliding_window", 8}}, {"rms_norm_eps"})};
}

class ConfigNumbers : public ::testing::Test {
 protected:
  ModelConfig read(const json& config) {
    std::ofstream(folder / "config.json") << config.dump();  // not on the disk: there are thousands
    return read_model_config(folder.path().string());
  }

  /// `value` in the place of each number; it must be refused by the member's name.
  void expect_refused(const json& config, const json& value, bool whole_alone) {
    for (const auto& [key, old] : config.items()) {
      if (!old.is_number() || (whole_alone && !old.is_number_integer())) continue;
      json changed = config;
      changed[key] = value;
      const std::string said = message_of([&] { read(changed); });
      expect_mentions(said, {"config.json", ("\"" + key + "\"").c_str(), "expected"});
    }
  }

  TempFolder folder;
};

TEST_F(ConfigNumbers, OfAnotherKindAreRefusedByName) {
  std::vector<json> configs = todays_families();
  configs.push_back(kFalcon);
  configs.push_back(kNeoX);
  for (const json& config : configs) {
    SCOPED_TRACE(config["model_type"]);
    EXPECT_NO_THROW(read(config));
    for (const json& value : {json(true), json("3"), json::array({"x"}), json::object()})
      expect_refused(config, value, false);
    const bool todays = config != kFalcon && config != kNeoX;  // read by the same code
    for (const json& value : {json(2.5), json(1e300), json(uint64_t{18446744073709551516U}),
                              json(int64_t{9007199254740993}), json(int64_t{4294967297})})
      if (!todays || value == 2.5) expect_refused(config, value, true);
    expect_refused(config, json(-1e300), false);
  }
}

TEST_F(ConfigNumbers, SizesThatCannotBeAreRefusedByName) {
  for (const char* key : {"hidden_size", "num_attention_heads", "num_hidden_layers", "vocab_size",
                          "num_kv_heads", "ffn_hidden_size", "max_position_embeddings"})
    for (const json& value : {json(0), json(-1), json(int64_t{1} << 31)}) {
      json config = kFalcon;
      config[key] = value;
      expect_mentions(message_of([&] { read(config); }), {key, value.dump().c_str()});
    }
}

TEST_F(ConfigNumbers, OfScaledRotationsAreRefusedByName) {
  const json llama = todays_families().front();
  const json scaling = {{"rope_theta", 10000.0},   {"factor", 2.0},
                        {"low_freq_factor", 1.0},  {"high_freq_factor", 4.0},
                        {"beta_fast", 32},         {"beta_slow", 1},
                        {"attention_factor", 1.0}, {"mscale", 0.7},
                        {"mscale_all_dim", 1.2},   {"original_max_position_embeddings", 32}};
  for (const char* type : {"linear", "dynamic", "llama3", "yarn"})
    for (const char* place : {"rope_scaling", "rope_parameters"}) {
      json config = llama;
      config[place] = scaling;
      config[place]["rope_type"] = type;
      EXPECT_NO_THROW(read(config)) << type;
      for (const auto& [key, _] : scaling.items())
        for (const json& value : {json(true), json("3"), json(1e300), json(-1e300)}) {
          json changed = config;
          changed[place][key] = value;
          expect_mentions(message_of([&] { read(changed); }),
                          {"config.json", ("\"" + key + "\"").c_str(), "expected"});
        }
    }
}

TEST_F(ConfigNumbers, RotationsAndWindowsThatCannotBeAreRefused) {
  const auto made = [](const json& more, const char* type) {
    json config = todays_families().front();
    config["model_type"] = type;
    config.update(more);
    return config;
  };
  const auto said = [&](const json& more, const char* type = "llama") {
    return message_of([&] { read(made(more, type)); });
  };
  expect_mentions(said({{"rope_scaling", {{"type", "su2"}}}}), {"su2", "llama3", "longrope"});
  expect_mentions(said({{"rope_scaling", {{"type", "linear"}}}}), {"linear", "\"factor\""});
  expect_mentions(said({{"rope_scaling",
                         {{"type", "llama3"},
                          {"factor", 8.0},
                          {"low_freq_factor", 4.0},
                          {"high_freq_factor", 4.0}}}}),
                  {"high_freq_factor", "low_freq_factor"});
  expect_mentions(said({{"rope_theta", 1e-300}}), {"rotation", "1e-300"});
  for (const char* list : {"short_factor", "long_factor"}) {
    json longrope = {{"type", "longrope"},
                     {"short_factor", {1.0, 1.0, 2.0, 2.0}},
                     {"long_factor", {1.0, 1.0, 2.0, 2.0}}};
    EXPECT_NO_THROW(read(made({{"rope_scaling", longrope}}, "phi3")));
    longrope[list] = {1.0, 2.0};
    expect_mentions(said({{"rope_scaling", longrope}}, "phi3"), {list, "2", "4"});
    longrope[list] = {1.0, 2.0, "x", 2.0};
    expect_mentions(said({{"rope_scaling", longrope}}, "phi3"), {list});
    longrope[list] = 3;
    expect_mentions(said({{"rope_scaling", longrope}}, "phi3"), {list, "a list of numbers"});
  }
  const json qwen = {{"use_sliding_window", true}};
  const auto windows = [&](const json& types) {
    json more = qwen;
    more["layer_types"] = types;
    return more;
  };
  expect_mentions(said(windows({"full_attention"}), "qwen3"), {"layer_types", "1", "2"});
  expect_mentions(said(windows({"full_attention", "linear_attention"}), "qwen3"),
                  {"linear_attention", "sliding_attention"});
  EXPECT_NO_THROW(read(made(windows({"full_attention", "sliding_attention"}), "qwen3")));
  expect_mentions(said({{"hidden_act", "relu"}}), {"relu", "silu"});
  expect_mentions(said({{"use_bidirectional_attention", true}}, "gemma2"),
                  {"use_bidirectional_attention"});
  expect_mentions(said({{"qk_layernorm", true}}, "stablelm"), {"qk_layernorm"});
  expect_mentions(said({{"use_qk_norm", true}}, "cohere"), {"use_qk_norm"});
  expect_mentions(said({{"hidden_act", "silu"}}, "starcoder2"), {"silu"});
  expect_mentions(said({{"num_key_value_heads", 3}}), {"4", "3"});
  expect_mentions(said({{"head_dim", 7}}), {"7"});
}

TEST_F(ConfigNumbers, NullIsNotThereAndANegativeIdIsNone) {
  json config = kFalcon;
  for (const char* key : {"eos_token_id", "bos_token_id", "max_position_embeddings", "rope_theta"})
    config[key] = nullptr;
  const ModelConfig m = read(config);
  EXPECT_TRUE(m.eos_ids.empty());
  EXPECT_EQ(m.bos_id, std::nullopt);
  EXPECT_EQ(m.context, 2048);
  EXPECT_EQ(m.rope_base, 10000.0);
  config["bos_token_id"] = -1;
  config["eos_token_id"] = {3, -1, 4.0};
  EXPECT_EQ(read(config).bos_id, std::nullopt);
  EXPECT_EQ(read(config).eos_ids, (std::vector<int32_t>{3, 4}));
  config["hidden_size"] = nullptr;
  expect_mentions(message_of([&] { read(config); }), {"\"hidden_size\" is missing"});
}

}  // namespace
}  // namespace falconer::test
