#include "model/arch/litgpt_config.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "checkpoint/simple_yaml.h"
#include "model/arch/architecture.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

using nlohmann::json;

class LitGptConfig : public ::testing::Test {
 protected:
  ModelConfig read(const std::string& name, const std::string& text) {
    for (const char* other : {"lit_config.json", "model_config.yaml"})
      std::filesystem::remove(folder / other);
    write_file(folder / name, text);
    return read_model_config(folder.path().string());
  }
  std::string refused(const json& settings) {
    return message_of([&] { read("lit_config.json", settings.dump()); });
  }

  TempFolder folder;
};

TEST_F(LitGptConfig, ReadsLitParrotsFileOfJune2023) {
  const ModelConfig m = read("lit_config.json", R"({"block_size": 2048, "vocab_size": 50254,
    "padding_multiple": 512, "padded_vocab_size": 65024, "n_layer": 32, "n_head": 71, "n_embd": 4544,
    "rotary_percentage": 1.0, "parallel_residual": true, "bias": false, "n_query_groups": 1,
    "shared_attention_norm": true})");
  EXPECT_EQ(m.family, "falcon");
  EXPECT_EQ(m.layers, 32);
  EXPECT_EQ(m.width, 4544);
  EXPECT_EQ(m.heads, 71);
  EXPECT_EQ(m.groups, 1);
  EXPECT_EQ(m.head_size, 64);
  EXPECT_EQ(m.mlp_width, 4 * 4544);
  EXPECT_EQ(m.vocab, 65024);
  EXPECT_EQ(m.context, 2048);
  EXPECT_EQ(m.rope_dims, 64);
  EXPECT_TRUE(m.shared_norm && m.parallel && !m.bias() && !m.alibi);
}

TEST_F(LitGptConfig, FillsInWhatIsNotSaid) {
  const ModelConfig m = read("model_config.yaml",
                             "n_layer: 2\nn_head: 4\nn_embd: 32\nrotary_percentage: 1.0\n"
                             "vocab_size: 600\n");
  EXPECT_EQ(m.groups, 4) << "a key and a value for each head";
  EXPECT_EQ(m.vocab, 1024) << "rounded up to 512";
  EXPECT_TRUE(m.bias()) << "LitGPT's default";
  EXPECT_FALSE(m.shared_norm);
}

TEST_F(LitGptConfig, IsReadAsItIsWritten) {
  for (const bool grouped : {false, true}) {
    ModelConfig m;
    m.family = "falcon";
    m.layers = 3;
    m.width = 64;
    m.heads = 8;
    m.groups = grouped ? 2 : 1;
    m.head_size = 8;
    m.mlp_width = 128;
    m.vocab = 61;
    m.context = 77;
    m.rope_dims = 8;
    m.rope_base = 50000;
    m.norm_eps = 2e-6;
    m.shared_norm = !grouped;
    m.set_biases(grouped);
    const auto settings = lit_config_json(m, lit_model_name(m));
    for (const auto& [name, text] :
         {std::pair<std::string, std::string>("lit_config.json", settings.dump()),
          std::pair<std::string, std::string>("model_config.yaml", lit_config_yaml(settings))}) {
      const ModelConfig back = read(name, text);
      EXPECT_EQ(back.groups, m.groups);
      EXPECT_EQ(back.mlp_width, 128);
      EXPECT_EQ(back.vocab, 61);
      EXPECT_EQ(back.context, 77);
      EXPECT_EQ(back.rope_base, 50000);
      EXPECT_EQ(back.norm_eps, 2e-6);
      EXPECT_EQ(back.shared_norm, m.shared_norm);
      EXPECT_EQ(back.bias(), m.bias());
    }
    EXPECT_EQ(lit_model_name(m), grouped ? "falcon-40b-like" : "falcon-7b-like");
  }
}

TEST_F(LitGptConfig, KnownShapesHaveTheirNames) {
  ModelConfig m;
  m.family = "falcon";
  m.layers = 32;
  m.width = 4544;
  EXPECT_EQ(lit_model_name(m), "falcon-7b");
  m.layers = 80;
  m.width = 14848;
  EXPECT_EQ(lit_model_name(m), "falcon-180B");
}

TEST_F(LitGptConfig, EveryFamilyIsReadAsItIsWritten) {
  const json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 64}};
  const std::vector<std::pair<std::string, json>> families = {
      {"gpt_neox", {{"rotary_pct", 0.5}}},
      {"llama", {{"rope_scaling", llama3}, {"head_dim", 16}}},
      {"llama", {{"attention_bias", true}, {"mlp_bias", true}}},
      {"mistral", {{"sliding_window", 100}}},
      {"qwen2", {{"rope_scaling", {{"rope_type", "linear"}, {"factor", 4.0}}}}},
      {"qwen3", {{"head_dim", 16}}},
      {"phi3", {{"partial_rotary_factor", 0.75}, {"sliding_window", 90}}},
      {"gemma", {}},
      {"gemma2", {{"query_pre_attn_scalar", 12}, {"sliding_window", 60}}},
      {"gemma3_text", {{"query_pre_attn_scalar", 8}, {"sliding_window", 60}, {"rope_theta", 1e6}}},
      {"olmo2", {}},
      {"stablelm", {{"use_qkv_bias", true}}}};
  for (const auto& [family, more] : families) {
    json file = {{"vocab_size", 61},        {"hidden_size", 32},
                 {"num_hidden_layers", 7},  {"num_attention_heads", 4},
                 {"intermediate_size", 48}, {"num_key_value_heads", 2},
                 {"head_dim", 8},           {"max_position_embeddings", 256}};
    for (const auto& [key, value] : more.items()) file[key] = value;
    ModelConfig m = architecture(family).read_config(file, family);
    m.family = family;
    m.tied_head = true;
    const auto settings = lit_config_json(m, lit_model_name(m));
    for (const bool yaml : {false, true}) {
      ModelConfig back = yaml ? read("model_config.yaml", lit_config_yaml(settings))
                              : read("lit_config.json", settings.dump());
      back.init_std = m.init_std;
      EXPECT_EQ(architecture(family).config_json(back).dump(1),
                architecture(family).config_json(m).dump(1))
          << family;
      EXPECT_EQ(back.family, family);
      EXPECT_NEAR(back.score_scale, m.score_scale, 1e-9);
    }
  }
}

TEST_F(LitGptConfig, WhatLitGptHasNotIsNamed) {
  const auto message = [](const std::string& family, const json& more) {
    json file = {{"vocab_size", 61},
                 {"hidden_size", 32},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", 4},
                 {"intermediate_size", 48}};
    for (const auto& [key, value] : more.items()) file[key] = value;
    ModelConfig m = architecture(family).read_config(file, family);
    m.family = family;
    return message_of([&] { lit_config_json(m, "x"); });
  };
  expect_mentions(message("llama", {{"attention_bias", true}}), {"biases", "--format hf"});
  expect_mentions(message("llama", {{"hidden_act", "gelu"}}), {"activation"});
  expect_mentions(message("llama", {{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 2.0}}}}),
                  {"scaling of positions"});
}

TEST_F(LitGptConfig, AModelThatLitGptHasNotIsCalledByItsFamily) {
  for (const char* family : {"cohere", "starcoder2"}) {
    ModelConfig m;
    m.family = family;
    m.layers = 32;
    m.width = 4544;  // as Falcon-7B
    expect_mentions(message_of([&] { lit_config_json(m, lit_model_name(m)); }),
                    {family, "no models of this family"});
    EXPECT_EQ(lit_model_name(m).find("falcon"), std::string::npos);
  }
}

TEST_F(LitGptConfig, OtherModelsOfLitGptAreRefused) {
  const json falcon = {{"n_layer", 2}, {"n_head", 4}, {"n_embd", 32}, {"rotary_percentage", 1.0}};
  json s = falcon;
  s["mlp_class_name"] = "LLaMAMoE";
  expect_mentions(refused(s), {"mlp_class_name", "LLaMAMoE"});
  s = falcon;
  s["norm_class_name"] = "RMSNorm";
  expect_mentions(refused(s), {"RMSNorm", "GptNeoxMLP"});
  s = falcon;
  s["n_expert"] = 8;
  expect_mentions(refused(s), {"n_expert", "8"});
  s = falcon;
  s["final_logit_softcapping"] = 30;
  expect_mentions(refused(s), {"final_logit_softcapping", "falcon"});
  s = falcon;
  s["head_size"] = 16;
  expect_mentions(refused(s), {"head_size", "16", "8"});
  s = falcon;
  s["n_head"] = "many";
  expect_mentions(refused(s), {"n_head", "many"});
  s = falcon;
  s["n_query_groups"] = 3;
  expect_mentions(refused(s), {"4 attention heads", "3"});
  s.erase("n_layer");
  expect_mentions(refused(s), {"lit_config.json", "n_layer"});
  s = {{"n_layer", 2},
       {"n_head", 4},
       {"n_embd", 32},
       {"intermediate_size", 48},
       {"bias", false},
       {"parallel_residual", false},
       {"name", "Mistral-7B"},
       {"norm_class_name", "RMSNorm"},
       {"mlp_class_name", "LLaMAMLP"},
       {"rotary_percentage", 1.0},
       {"sliding_window_size", 16}};
  s["sliding_window_indices"] = {1, 0};
  expect_mentions(refused(s), {"sliding_window_indices", "1 of 2", "mistral"});
  ModelConfig alibi;
  alibi.alibi = true;
  expect_mentions(message_of([&] { lit_config_json(alibi, "x"); }), {"ALiBi", "--format hf"});
}

TEST_F(LitGptConfig, AHuggingFaceFolderStaysOne) {
  write_file(folder / "config.json", "{}");
  write_file(folder / "lit_config.json", "{}");
  EXPECT_FALSE(is_lit_folder(folder.path()));
  write_file(folder / "lit_model.pth", "");
  EXPECT_TRUE(is_lit_folder(folder.path()));
}

}  // namespace
}  // namespace falconer::test
