// A Falcon-H1 in a GGUF, whose weights have the factors of config.json in them.
#include <gtest/gtest.h>

#include "checkpoint/gguf.h"
#include "support/errors.h"
#include "support/lora_pairs.h"
#include "support/made_checkpoint.h"
#include "support/paths.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

nlohmann::json h1_config() {
  nlohmann::json all = h1_settings();
  all.update(h1_factors());
  all.update(nlohmann::json{{"architectures", {"FalconH1ForCausalLM"}},
                            {"vocab_size", 640},
                            {"hidden_size", 32},
                            {"num_hidden_layers", 2},
                            {"head_dim", 12},
                            {"intermediate_size", 64},
                            {"max_position_embeddings", 64},
                            {"initializer_range", 0.15},
                            {"eos_token_id", 0},
                            {"rope_theta", 1e11},
                            {"mamba_d_state", 8},
                            {"tie_word_embeddings", false}});
  return all;
}

struct Variant {
  const char* name;
  nlohmann::json settings;
};

class ExportedH1 : public ::testing::Test {
 protected:
  /// A checkpoint with random weights, and the demo's tokenizer.
  std::string checkpoint(const nlohmann::json& settings = nlohmann::json::object()) {
    const std::string name = "model" + std::to_string(next_++);
    nlohmann::json config = h1_config();
    config.update(settings);
    make_folder(run.path(name + "-config"));
    write_file(run.path(name + "-config") / "config.json", config.dump());
    FinetuneOptions start = run.options("full", name);
    start.checkpoint = run.path(name + "-config").string();
    start.from_scratch = true;
    start.max_steps = 1;
    const std::string made = finetune(start).final_folder;
    for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
      fs::copy_file(fs::path(source_dir()) / "demo/checkpoint" / file, fs::path(made) / file,
                    fs::copy_options::overwrite_existing);
    return made;
  }

  std::string made(const std::string& from, const std::string& format, const std::string& with = "",
                   const std::string& dtype = "f32") {
    const std::string out = run.path("out" + std::to_string(next_++)).string();
    export_model(
        {.checkpoint = from, .adapter = with, .out = out, .format = format, .dtype = dtype});
    return out;
  }

  Tensor logits(const std::string& model, const std::string& with = "") {
    const auto session =
        Session::open({.checkpoint = model, .adapter = with, .precision = Precision::kF32});
    return logits_of(*session, batch_of(rows_of(run)));
  }
  static double difference(const Tensor& a, const Tensor& b) {
    return largest_difference(a.view(), b.view());
  }

  TinyRun run;

 private:
  int next_ = 0;
};

TEST_F(ExportedH1, AGgufIsTheSameModelWithAllFactorsInItsWeights) {
  const Variant variants[] = {
      {"untied, two groups, a norm", nlohmann::json::object()},
      {"tied, one group, no norm",
       {{"tie_word_embeddings", true}, {"mamba_n_groups", 1}, {"mamba_rms_norm", false}}},
      {"no bias of the convolution, biases of the MLP",
       {{"mamba_conv_bias", false}, {"mlp_bias", true}, {"mamba_d_conv", 3}}}};
  for (const auto& [name, settings] : variants) {
    SCOPED_TRACE(name);
    const std::string folder = checkpoint(settings);
    const Tensor before = logits(folder);
    const std::string gguf = made(folder, "gguf");
    const TensorFiles files = TensorFiles::open_file(gguf);
    EXPECT_EQ(files.find("output.weight") == nullptr, settings.contains("tie_word_embeddings"));
    EXPECT_NE(files.find("blk.1.ffn_norm"), nullptr);
    EXPECT_NE(files.find("blk.1.ssm_conv1d.bias"), nullptr);
    EXPECT_EQ(files.find("blk.0.ssm_a")->shape, (std::vector<int64_t>{6, 1}));
    EXPECT_LT(files.find("blk.0.ssm_a")->view().row<float>(0)[0], 0);
    EXPECT_LT(difference(logits(gguf), before), 2e-5);
    const std::string back = made(gguf, "hf");
    EXPECT_EQ(difference(logits(back), logits(gguf)), 0);
    const auto config =
        nlohmann::json::parse(read_text_file(fs::path(back) / "config.json", 1 << 20));
    EXPECT_EQ(config["key_multiplier"], 1.0);
    EXPECT_EQ(config["ssm_multipliers"], nlohmann::json({1.0, 1.0, 1.0, 1.0, 1.0}));
    EXPECT_EQ(difference(logits(made(gguf, "gguf")), logits(gguf)), 0) << "nothing is folded twice";
  }
}

TEST_F(ExportedH1, BlocksAreOfWhatWasFolded) {
  const std::string folder =
      checkpoint({{"hidden_size", 64}, {"mamba_d_ssm", 96}, {"mamba_d_head", 16}});
  const std::string wide = made(folder, "gguf"), packed = made(folder, "gguf", "", "q8_0");
  const TensorFiles exact = TensorFiles::open_file(wide), files = TensorFiles::open_file(packed);
  EXPECT_EQ(files.find("blk.0.ssm_in.weight")->dtype, Dtype::kQ8_0);
  for (const char* name : {"blk.0.ssm_conv1d.weight", "blk.0.ssm_norm.weight", "blk.0.ssm_d"})
    EXPECT_EQ(files.find(name)->dtype, Dtype::kF32) << name;
  const StoredTensor& in = *files.find("blk.0.ssm_in.weight");
  const Tensor values(in.rows(), in.cols(), Dtype::kF32);
  in.copy_to(values.view());
  EXPECT_LT(largest_difference(values.view(), exact.find("blk.0.ssm_in.weight")->view()), 1e-2);
  EXPECT_EQ(difference(logits(packed), logits(made(packed, "hf"))), 0);
}

// The weights that it is added to are f_made W f_read.
TEST_F(ExportedH1, ALoraIsMultipliedAsItsBaseIs) {
  const std::string folder = checkpoint();
  FinetuneOptions options = run.options("lora", "lora");
  options.checkpoint = folder;
  options.lora_targets = {"all-linear", "head"};
  const std::string lora = finetune(options).final_folder;
  const std::string base = made(folder, "gguf"), merged = made(folder, "gguf", lora);
  const std::string pairs = made(folder, "gguf-lora", lora);
  expect_pairs_add_up(pairs, base, merged);
  const TensorFiles files = TensorFiles::open_file(pairs);
  for (const char* site : {"ssm_in", "ssm_out", "attn_q", "attn_k", "attn_v", "attn_output",
                           "ffn_gate", "ffn_up", "ffn_down"})
    EXPECT_NE(files.find(std::string("blk.1.") + site + ".weight.lora_b"), nullptr) << site;
  EXPECT_NE(files.find("output.weight.lora_b"), nullptr);
  EXPECT_LT(difference(logits(merged), logits(folder, lora)), 5e-5);
}

TEST_F(ExportedH1, AGgufCanBeTrained) {
  const std::string folder = checkpoint();
  FinetuneOptions on_folder = run.options("lora", "on-folder");
  on_folder.checkpoint = folder;
  FinetuneOptions on_gguf = run.options("lora", "on-gguf");
  on_gguf.checkpoint = made(folder, "gguf");
  // B begins with 0, so that the first loss is the base's.
  on_folder.max_steps = on_gguf.max_steps = 1;
  EXPECT_NEAR(finetune(on_gguf).last_loss, finetune(on_folder).last_loss, 1e-5);
  FinetuneOptions full = run.options("full", "full");
  full.checkpoint = on_gguf.checkpoint;
  EXPECT_EQ(logits(finetune(full).final_folder).view().cols, 640);
}

TEST_F(ExportedH1, WhatLlamaCppHasNoPlaceForIsRefused) {
  const std::string folder = checkpoint({{"mamba_proj_bias", true}});
  const std::string message = message_of([&] { made(folder, "gguf"); });
  expect_mentions(message, {"falcon-h1", "mamba_proj_bias", "--format hf"});
}

// What a GGUF holds of it, -e to its power, would be 0.
TEST_F(ExportedH1, ARateOfDecayThatAGgufCannotHoldIsNamed) {
  const std::string folder = write_checkpoint(
      run.path("slow"), {.config = h1_config(), .edit = [](const Param& param, auto& values) {
                           if (param.name.ends_with("A_log")) values[3] = -200;
                         }});
  add_demo_tokenizer(folder);
  expect_mentions(message_of([&] { made(folder, "gguf"); }),
                  {"layers.0.mamba.A_log holds -200 at 3", "--format hf"});
}

}  // namespace
}  // namespace falconer::test
