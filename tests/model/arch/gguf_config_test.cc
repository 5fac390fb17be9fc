#include "model/arch/gguf_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/arch/architecture.h"
#include "model/arch/other_names.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

ModelConfig small(bool grouped) {
  ModelConfig m;
  m.family = "falcon";
  m.layers = 1;
  m.width = 32;
  m.heads = 4;
  m.groups = grouped ? 2 : 1;
  m.head_size = 8;
  m.mlp_width = 96;
  m.vocab = 5;
  m.context = 77;
  m.rope_dims = 8;
  m.norm_eps = 2e-6;
  m.shared_norm = !grouped;
  return m;
}

class GgufConfig : public ::testing::Test {
 protected:
  /// A GGUF with the embedding alone, and one tensor more that tells of two norms, or of a head.
  void write(const GgufMetadata& metadata, const std::vector<std::string>& more = {}) {
    std::vector<TensorSpec> specs = {{"token_embd.weight", Dtype::kF32, {5, 32}}};
    for (const std::string& name : more) specs.push_back({name, Dtype::kF32, {32}});
    GgufWriter writer(path, specs, metadata);
    const Tensor embedding(5, 32, Dtype::kF32);
    writer.write(embedding.view());
    for (size_t i = 0; i < more.size(); ++i) writer.write(embedding.view().row_range(0, 1));
    writer.commit();
  }
  std::string refused(const GgufMetadata& metadata) {
    write(metadata);
    return message_of([&] { read_model_config(path.string()); });
  }

  TempFolder folder;
  std::filesystem::path path = folder / "x.gguf";
};

TEST_F(GgufConfig, IsReadAsItIsWritten) {
  for (const bool grouped : {false, true}) {
    ModelConfig m = small(grouped);
    m.rope_base = grouped ? 50000 : 10000;
    GgufMetadata metadata;
    metadata.add("general.architecture", "falcon");
    add_gguf_config(m, metadata);
    write(metadata, grouped ? std::vector<std::string>{"blk.0.attn_norm_2.weight", "output.weight"}
                            : std::vector<std::string>{});
    const ModelConfig back = read_model_config(path.string());
    EXPECT_EQ(back.family, "falcon");
    EXPECT_EQ(back.layers, 1);
    EXPECT_EQ(back.width, 32);
    EXPECT_EQ(back.groups, m.groups);
    EXPECT_EQ(back.head_size, 8);
    EXPECT_EQ(back.mlp_width, 96);
    EXPECT_EQ(back.vocab, 5);
    EXPECT_EQ(back.context, 77);
    EXPECT_EQ(back.rope_dims, 8);
    EXPECT_EQ(back.rope_base, m.rope_base);
    EXPECT_FLOAT_EQ(static_cast<float>(back.norm_eps), 2e-6f);
    EXPECT_EQ(back.shared_norm, m.shared_norm);
    EXPECT_EQ(back.tied_head, !grouped);
    EXPECT_TRUE(back.parallel);
  }
}

/// A config of a family as its config.json gives it.
ModelConfig of_family(const std::string& family, nlohmann::json more = {}) {
  nlohmann::json json = {{"vocab_size", 5},          {"hidden_size", 32},
                         {"num_hidden_layers", 12},  {"num_attention_heads", 4},
                         {"num_key_value_heads", 2}, {"head_dim", 8},
                         {"intermediate_size", 48},  {"max_position_embeddings", 256}};
  for (const auto& [key, value] : more.items()) json[key] = value;
  ModelConfig m = architecture(family).read_config(json, family);
  m.family = family;
  return m;
}

nlohmann::json h1_settings() {
  return {{"mamba_n_heads", 6},
          {"mamba_d_ssm", 48},
          {"mamba_n_groups", 2},
          {"mamba_d_state", 8},
          {"tie_word_embeddings", true}};
}

/// Families, with settings that are not their defaults.
std::vector<std::pair<std::string, nlohmann::json>> families() {
  const nlohmann::json llama3 = {{"rope_type", "llama3"},
                                 {"factor", 8.0},
                                 {"low_freq_factor", 1.0},
                                 {"high_freq_factor", 4.0},
                                 {"original_max_position_embeddings", 64}};
  const nlohmann::json longrope = {{"rope_type", "longrope"},
                                   {"short_factor", {1.0, 1.5, 2.0}},
                                   {"long_factor", {1.0, 3.0, 6.5}},
                                   {"original_max_position_embeddings", 64}};
  return {{"llama", {{"rope_scaling", llama3}, {"head_dim", 16}, {"rope_theta", 5000.0}}},
          {"llama", {{"attention_bias", true}, {"mlp_bias", true}, {"tie_word_embeddings", true}}},
          {"llama", {{"rope_scaling", {{"rope_type", "linear"}, {"factor", 4.0}}}}},
          {"mistral", {{"sliding_window", 100}}},
          {"qwen2",
           {{"rope_scaling",
             {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}}}}},
          {"qwen3", {{"head_dim", 16}}},
          {"phi3", {{"partial_rotary_factor", 0.75}, {"rope_scaling", longrope}}},
          {"phi3", {{"sliding_window", 100}}},
          {"gemma", {}},
          {"gemma2", {{"query_pre_attn_scalar", 8}, {"sliding_window", 60}}},
          {"gemma3_text",
           {{"query_pre_attn_scalar", 8},
            {"sliding_window", 60},
            {"rope_theta", 1e6},
            {"rope_local_base_freq", 20000.0}}},
          {"olmo2", {}},
          {"cohere", {{"logit_scale", 0.25}}},
          {"starcoder2", {{"use_bias", true}, {"sliding_window", 100}}},
          {"stablelm", {{"use_qkv_bias", true}, {"use_parallel_residual", true}}},
          {"falcon_h1", h1_settings()},
          {"falcon_h1",
           {{"mamba_n_heads", 10},
            {"mamba_d_ssm", 60},
            {"mamba_rms_norm", true},
            {"mamba_norm_before_gate", false},
            {"mamba_d_conv", 3},
            {"head_dim", 16},
            {"mlp_bias", true},
            {"rope_theta", 1e11}}}};
}

/// What the shape comes down to, as a config.json says it.
nlohmann::ordered_json said(const ModelConfig& m) { return architecture(m.family).config_json(m); }

TEST_F(GgufConfig, EveryFamilyIsReadAsItIsWritten) {
  for (const auto& [family, more] : families()) {
    ModelConfig m = of_family(family, more);
    GgufMetadata metadata;
    metadata.add("general.architecture", gguf_architecture(m));
    add_gguf_config(m, metadata);
    std::vector<std::string> tensors;
    for (const AssembledTensor& ours : ours_from(m, OtherFormat::kGguf)) {
      const std::string& name = ours.pieces.front().tensor;
      const bool there = name.ends_with(".weight") || (m.dense_bias && name.ends_with(".bias")) ||
                         (m.qkv_bias && name.ends_with("attn_q.bias")) ||
                         (m.mlp_bias && name.ends_with("ffn_down.bias")) ||
                         (m.ssm.heads > 0 && name.ends_with("ssm_conv1d.bias"));
      const bool left_out = (m.tied_head && name == "output.weight") ||
                            (m.ssm.heads > 0 && !m.ssm.norm && name.ends_with("ssm_norm.weight"));
      if (there && name != "token_embd.weight" && !left_out) tensors.push_back(name);
    }
    std::vector<std::pair<std::string, std::vector<float>>> rotations = gguf_additions(m);
    std::vector<TensorSpec> specs = {{"token_embd.weight", Dtype::kF32, {5, 32}}};
    for (const std::string& name : tensors) specs.push_back({name, Dtype::kF32, {32}});
    for (const auto& [name, values] : rotations)
      specs.push_back({name, Dtype::kF32, {std::ssize(values)}});
    GgufWriter writer(path, specs, metadata);
    const Tensor embedding(5, 32, Dtype::kF32);
    writer.write(embedding.view());
    for (size_t i = 0; i < tensors.size(); ++i) writer.write(embedding.view().row_range(0, 1));
    for (auto& [name, values] : rotations)
      writer.write({values.data(), 1, std::ssize(values), std::ssize(values), Dtype::kF32});
    writer.commit();
    ModelConfig back = read_gguf_config(Gguf::open(path));
    // What no GGUF says, or says as a number.
    back.init_std = m.init_std;
    if (m.rope_scaling.type == RopeType::kLongRope) {
      const auto factor = [](const ModelConfig& c) {
        return rope_frequencies(c.rope_scaling, c.rope_base, c.rope_dims, c.context).factor;
      };
      EXPECT_NEAR(factor(back), factor(m), 1e-6);
      back.rope_scaling.attention_factor = std::nullopt;
    }
    EXPECT_EQ(said(back).dump(1), said(m).dump(1)) << family;
    EXPECT_EQ(back.qkv_bias, m.qkv_bias);
    EXPECT_EQ(back.embedding_scale, m.embedding_scale);
  }
}

TEST_F(GgufConfig, WhatLlamaCppHasNotIsNamed) {
  const auto message = [](const std::string& family, const nlohmann::json& more) {
    return message_of([&] { check_gguf_model(of_family(family, more)); });
  };
  expect_mentions(message("gemma2", {{"query_pre_attn_scalar", 12}}),
                  {"gemma2", "root of 12", "--format hf"});
  expect_mentions(message("qwen3", {{"attention_bias", true}}), {"qwen3", "biases"});
  expect_mentions(message("gemma", {{"tie_word_embeddings", false}}), {"head of its own"});
  expect_mentions(message("llama", {{"hidden_act", "gelu"}}), {"llama", "activation"});
  ModelConfig part = of_family("llama", nlohmann::json::object());  // as of LitGPT's settings
  part.rope_dims /= 2;
  expect_mentions(message_of([&] { check_gguf_model(part); }), {"part is rotated"});
  expect_mentions(message("qwen2", {{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2.0}}}}),
                  {"dynamic"});
  expect_mentions(
      message("qwen2",
              {{"use_sliding_window", true}, {"sliding_window", 10}, {"max_window_layers", 3}}),
      {"windows in some layers"});
  expect_mentions(message("gemma2", {{"query_pre_attn_scalar", 8},
                                     {"sliding_window", 9},
                                     {"attn_logit_softcapping", nullptr}}),
                  {"soft caps"});
  for (const char* key : {"attention_bias", "mamba_proj_bias", "projectors_bias"}) {
    nlohmann::json settings = h1_settings();
    settings[key] = true;
    expect_mentions(message("falcon_h1", settings), {"falcon-h1", "biases"});
  }
  nlohmann::json nothing = h1_settings();
  nothing["embedding_multiplier"] = 0;
  expect_mentions(message("falcon_h1", nothing), {"times 0"});
}

TEST_F(GgufConfig, FactorsAsKeysAreRefused) {
  const ModelConfig m = of_family("falcon_h1", h1_settings());
  GgufMetadata metadata;
  metadata.add("general.architecture", "falcon-h1");
  add_gguf_config(m, metadata);
  metadata.add("falcon-h1.mlp_gate_multiplier", 0.5f);
  expect_mentions(refused(metadata), {"x.gguf", "falcon-h1.mlp_gate_multiplier", "weights"});
}

TEST_F(GgufConfig, DivisorsOfAnotherRuleAreTakenAsTheyAre) {
  ModelConfig m = of_family("llama");
  GgufMetadata metadata;
  metadata.add("general.architecture", "llama");
  add_gguf_config(m, metadata);
  GgufWriter writer(
      path, {{"token_embd.weight", Dtype::kF32, {5, 32}}, {"rope_freqs.weight", Dtype::kF32, {4}}},
      metadata);
  const Tensor embedding(5, 32, Dtype::kF32), divisors(1, 4, Dtype::kF32);
  set_values(divisors.view(), std::vector<float>{1, 2.5f, 3, 7});
  writer.write(embedding.view());
  writer.write(divisors.view());
  writer.commit();
  const ModelConfig back = read_gguf_config(Gguf::open(path));
  EXPECT_EQ(back.rope_scaling.type, RopeType::kLongRope);
  EXPECT_EQ(back.rope_scaling.long_factors, (std::vector<double>{1, 2.5, 3, 7}));
  EXPECT_EQ(rope_frequencies(back.rope_scaling, 1e4, 8, 256, 1000).factor, 1);
}

TEST_F(GgufConfig, WhatIsNoModelIsRefused) {
  GgufMetadata gpt2, adapter, short_one, odd;
  gpt2.add("general.architecture", "gpt2");
  expect_mentions(refused(gpt2), {"x.gguf", "gpt2", "falcon", "llama"});
  for (GgufMetadata* metadata : {&adapter, &short_one, &odd})
    metadata->add("general.architecture", "falcon");
  adapter.add("general.type", "adapter");
  expect_mentions(refused(adapter), {"adapter"});
  short_one.add("falcon.block_count", uint32_t{1});
  expect_mentions(refused(short_one), {"falcon.embedding_length"});
  ModelConfig m = small(false);
  m.heads = 5;  // 32 is no multiple of it
  add_gguf_config(m, odd);
  expect_mentions(refused(odd), {"x.gguf", "32", "5 attention heads"});
}

TEST_F(GgufConfig, WhatLlamaCppCannotComputeIsRefused) {
  const auto message = [](ModelConfig m) { return message_of([&] { check_gguf_model(m); }); };
  ModelConfig m = small(false);
  EXPECT_NO_THROW(check_gguf_model(m));
  m.alibi = true;
  expect_mentions(message(m), {"ALiBi", "--format hf"});
  m = small(false);
  m.set_biases(true);
  expect_mentions(message(m), {"biases"});
  m = small(false);
  m.parallel = false;
  expect_mentions(message(m), {"one after the other"});
  m = small(false);
  m.family = "gpt_neox";
  expect_mentions(message(m), {"gpt_neox", "falcon", "llama"});
}

}  // namespace
}  // namespace falconer::test
