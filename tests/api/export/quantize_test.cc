// falconer quantize: which types its names mean, and that what it writes is opened as a model.
#include <gtest/gtest.h>

#include "api/export/gguf_mix.h"
#include "checkpoint/gguf.h"
#include "model/modules.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/said.h"
#include "support/tiny_session.h"
#include "tensor/blocks/format.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

ModelConfig falcon(int64_t layers) {
  ModelConfig config;
  config.family = "falcon";
  config.layers = layers;
  config.heads = 71;
  config.groups = 1;
  return config;
}

ModelConfig llama(int64_t layers, int64_t groups) {
  ModelConfig config;
  config.family = "llama";
  config.layers = layers;
  config.heads = 32;
  config.groups = groups;
  config.tied_head = false;
  return config;
}

/// Of the matrix of each layer, "Q6_K Q4_K ...".
std::string types(const char* mix, const ModelConfig& config, const char* name, int64_t cols,
                  bool importances = false) {
  std::string all;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const TensorSpec tensor{fmt::format("blk.{}.{}.weight", layer, name), Dtype::kF32, {64, cols}};
    const GgufMix* found = gguf_mix_named(mix);
    all += (all.empty() ? "" : " ") +
           std::string(name_of(type_in_mix(*found, config, tensor, layer, importances)));
  }
  return all;
}

Dtype outside(const char* mix, const ModelConfig& config, const char* name, int64_t cols) {
  return type_in_mix(*gguf_mix_named(mix), config, {name, Dtype::kF32, {64, cols}},
                     ModuleId::kOutside, false);
}

// What llama.cpp b11739 gives them (tests/ecosystem/quantised_mixes.py asks it for all).
TEST(GgufMix, TypesAreLlamaCpps) {
  EXPECT_EQ(types("q4_k_m", llama(8, 32), "attn_v", 256),
            "q6_k q4_k q4_k q6_k q4_k q4_k q6_k q6_k");
  EXPECT_EQ(types("q4_k_m", llama(8, 32), "ffn_down", 96),
            "q8_0 q5_0 q5_0 q8_0 q5_0 q5_0 q8_0 q8_0");
  EXPECT_EQ(types("q4_k_m", llama(8, 32), "ffn_up", 256),
            "q4_k q4_k q4_k q4_k q4_k q4_k q4_k q4_k");
  EXPECT_EQ(types("q4_k_m", falcon(16), "ffn_down", 256),
            "q6_k q5_k q4_k q4_k q5_k q4_k q4_k q5_k q4_k q4_k q5_k q4_k q4_k q5_k q5_k q5_k");
  EXPECT_EQ(types("q4_k_s", falcon(6), "attn_qkv", 4544), "q5_1 q5_1 q5_1 q5_1 q5_0 q5_0");
  EXPECT_EQ(types("q3_k_m", llama(4, 32), "attn_v", 256), "q5_k q5_k q4_k q4_k");
  EXPECT_EQ(types("q2_k", llama(2, 8), "attn_v", 256), "q4_k q4_k");
  EXPECT_EQ(types("q2_k", llama(2, 32), "attn_v", 256), "q3_k q3_k");
  EXPECT_EQ(types("q3_k_m", llama(80, 4), "attn_v", 256).substr(0, 14), "q5_k q5_k q5_k");
  EXPECT_EQ(types("q4_0", llama(8, 32), "ffn_down", 256).substr(0, 9), "q4_0 q4_0");
  EXPECT_EQ(types("q4_0", llama(8, 32), "ffn_down", 256, true).substr(0, 9), "q4_1 q4_0");
  EXPECT_EQ(types("q6_k", falcon(1), "attn_qkv", 33), "f16");
  EXPECT_EQ(outside("q4_0", falcon(1), "output.weight", 256), Dtype::kQ8_0);
  EXPECT_EQ(outside("q4_0", llama(1, 1), "output.weight", 256), Dtype::kQ6_K);
  EXPECT_EQ(outside("q4_0", llama(1, 1), "token_embd.weight", 256), Dtype::kQ4_0);
}

TEST(GgufMix, NamesAreKnownInCapitalsAndByLlamaCppsAliases) {
  EXPECT_EQ(gguf_mix_named("Q4_K"), gguf_mix_named("q4_k_m"));
  EXPECT_EQ(gguf_mix_named("IQ4_NL")->dtype, Dtype::kIQ4_NL);
  EXPECT_EQ(gguf_mix_named(""), nullptr);
  EXPECT_EQ(gguf_mix_of(Dtype::kQ4_K).file_type, 14u);
  EXPECT_EQ(gguf_mix_of(Dtype::kQ2_K).file_type, 10u);
}

/// A model of whole blocks with the demo's tokenizer.
class Quantized : public ::testing::Test {
 protected:
  Quantized() : run({.layers = 2, .width = 256, .vocab = 640}) {
    const fs::path demo = fs::path(source_dir()) / "demo/checkpoint";
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
      fs::copy_file(demo / name, fs::path(run.checkpoint) / name);
  }

  QuantizeOptions options(const std::string& format, const std::string& name) const {
    return {.checkpoint = run.checkpoint, .out = run.path(name).string(), .format = format};
  }

  Tensor logits(const std::string& checkpoint, const std::string& adapter = "") {
    write_rows(run.path("rows.jsonl"), 6);
    const auto session =
        Session::open({.checkpoint = checkpoint, .adapter = adapter, .precision = Precision::kF32});
    return logits_of(*session, batch_of(rows_of(run)));
  }

  TinyRun run;
};

TEST_F(Quantized, AMixIsOpenedAsAModel) {
  const Tensor before = logits(run.checkpoint);
  double last = 1e-3;
  for (const char* format : {"q8_0", "Q5_K_M", "q4_k_s", "q2_k"}) {
    const QuantizeOptions asked = options(format, std::string(format) + ".gguf");
    const ExportReport report = quantize(asked);
    expect_mentions(report.text, {asked.out.c_str(), "tensors: ", "blocks are off by"});
    const double off = largest_difference(logits(asked.out).view(), before.view());
    EXPECT_GT(off, last) << format;
    EXPECT_LT(off, 1) << format;
    last = off;
  }
}

TEST_F(Quantized, AnAdapterIsFoldedInFirst) {
  FinetuneOptions training = run.options("lora", "lora");
  training.lora_targets = {"all-linear"};
  const std::string adapter = finetune(training).final_folder;
  QuantizeOptions asked = options("q8_0", "merged.gguf");
  asked.adapter = adapter;
  asked.verify = true;
  expect_mentions(quantize(asked).text, {"verified: logits differ"});
  EXPECT_LT(largest_difference(logits(asked.out).view(), logits(run.checkpoint, adapter).view()),
            0.05);
}

TEST_F(Quantized, AFolderOfBitsandbytesIsReadAsOne) {
  for (const bool doubled : {false, true})
    for (const char* format : {"nf4", "fp4", "int8"}) {
      if (doubled && std::string_view(format) == "int8") continue;
      QuantizeOptions asked = options(format, std::string(format) + (doubled ? "2" : ""));
      asked.double_quant = doubled;
      asked.max_shard_bytes = 400'000;
      quantize(asked);
      // What is made as it is read has the same numbers, but for scales in 8 bits.
      write_rows(run.path("rows.jsonl"), 6);
      const auto made = Session::open({.checkpoint = run.checkpoint,
                                       .precision = Precision::kF32,
                                       .quantise = block_format_named(format)->dtype});
      const Tensor expected = logits_of(*made, batch_of(rows_of(run)));
      EXPECT_LE(largest_difference(logits(asked.out).view(), expected.view()), doubled ? 2e-2 : 0)
          << format;
      EXPECT_TRUE(fs::exists(fs::path(asked.out) / "model.safetensors.index.json"));
      const std::string config = read_text_file(fs::path(asked.out) / "config.json", 1 << 20);
      expect_mentions(config, {"quantization_config", "bitsandbytes",
                               format == std::string_view("int8") ? "\"load_in_8bit\": true"
                                                                  : "\"load_in_4bit\": true"});
    }
}

TEST_F(Quantized, WhatCannotBeIsRefused) {
  QuantizeOptions doubled = options("int8", "no");
  doubled.double_quant = true;
  expect_mentions(message_of([&] { quantize(doubled); }), {"--double-quant", "nf4"});

  expect_mentions(message_of([&] { quantize(options("q4_k_x", "no")); }),
                  {"--format", "q4_k_x", "q4_k_s"});
  expect_mentions(message_of([&] { quantize(options("iq2_xs", "no")); }), {"--format", "iq2_xs"});
  quantize(options("q8_0", "there.gguf"));
  expect_mentions(message_of([&] { quantize(options("q8_0", "there.gguf")); }),
                  {"there.gguf", "--overwrite"});
  QuantizeOptions again = options("q4_0", "there.gguf");
  again.force = true;
  quantize(again);
  EXPECT_FALSE(fs::exists(run.path("no")));
}

}  // namespace
}  // namespace falconer::test
