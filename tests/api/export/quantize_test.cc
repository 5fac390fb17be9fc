// falconer quantize: which types its names mean, and that what it writes is opened as a model.
#include <gtest/gtest.h>

#include <cmath>

#include "api/export/gguf_mix.h"
#include "api/export/importance.h"
#include "api/model/base_check.h"
#include "base/file.h"
#include "checkpoint/gguf.h"
#include "model/arch/architecture.h"
#include "model/modules.h"
#include "model/open_model.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/run_files.h"
#include "support/said.h"
#include "support/tiny_session.h"
#include "tensor/blocks/format.h"
#include "train/run_folder.h"

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
  const ExportReport report = quantize(asked);
  expect_mentions(report.text, {"verified: logits differ"});
  expect_mentions(report.json, {"\"format\": \"q8_0\"", "\"verified\": true"});
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

/// What the matrices of layers are off, each column's squared error counted as `importances` say.
double weighed_error(const std::string& before, const std::string& after,
                     const Importances& importances) {
  const ModelConfig config = read_model_config(before);
  const TensorFiles a = open_weights(before, config), b = open_weights(after, config);
  double squares = 0, errors = 0;
  for (const auto& [name, stored] : a.tensors()) {
    const ColumnWeights weights = importances.of(name);
    if (weights == nullptr) continue;
    const Tensor x(stored.rows(), stored.cols(), Dtype::kF32),
        y(x.view().rows, x.view().cols, Dtype::kF32);
    stored.copy_to(x.view());
    b.find(name)->copy_to(y.view());
    for (int64_t i = 0; i < x.view().rows; ++i)
      for (int64_t j = 0; j < x.view().cols; ++j) {
        const double value = x.view().row<float>(i)[j], off = value - y.view().row<float>(i)[j];
        squares += (*weights)[static_cast<size_t>(j)] * value * value;
        errors += (*weights)[static_cast<size_t>(j)] * off * off;
      }
  }
  EXPECT_GT(squares, 0);
  return std::sqrt(errors / squares);
}

TEST_F(Quantized, RowsSayWhatErrorsCount) {
  const std::string rows = run.path("rows.jsonl").string();
  const Importances importances(run.checkpoint, "", rows, "");
  EXPECT_GT(importances.tokens(), 100);
  for (const char* format : {"q2_k", "q3_k_s", "q4_0", "q4_k_s", "q5_1", "iq4_nl"}) {
    QuantizeOptions asked = options(format, "plain.gguf");
    asked.force = true;
    quantize(asked);
    const double plain = weighed_error(run.checkpoint, asked.out, importances);
    asked.out = run.path("weighed.gguf").string();
    asked.calibrate = rows;
    expect_mentions(quantize(asked).text, {"as the rows weigh columns"});
    EXPECT_LT(weighed_error(run.checkpoint, asked.out, importances), plain) << format;
  }
}

TEST_F(Quantized, ImportancesAreMeansOfSquares) {
  const Importances importances(run.checkpoint, "", run.path("rows.jsonl").string(), "");
  const ColumnWeights down = importances.of("transformer.h.1.mlp.dense_4h_to_h.weight");
  ASSERT_NE(down, nullptr);
  ASSERT_EQ(down->size(), 1024u);
  double sum = 0;
  for (const float one : *down) {
    EXPECT_GT(one, 0);
    sum += one;
  }
  EXPECT_NEAR(sum / 1024, 1, 0.01);
  EXPECT_EQ(importances.of("transformer.word_embeddings.weight"), nullptr);
}

TEST_F(Quantized, AnAdapterSaysWhatItSaw) {
  FinetuneOptions training = run.options("lora", "qlora");
  training.quantize = "nf4";
  const std::string adapter = finetune(training).final_folder;
  EXPECT_EQ(read_record(adapter)->quantisation, "NF4");
  const auto warned = [&](const std::string& base, const std::string& quantise) {
    return log_and_error(LogLevel::kWarning, [&] {
      Model::open({.checkpoint = base, .adapter = adapter, .quantize = quantise});
    });
  };
  EXPECT_EQ(warned(run.checkpoint, "nf4").find("trained on a base in"), std::string::npos);
  expect_mentions(warned(run.checkpoint, "q4_0"), {"trained on a base in NF4", "in Q4_0 here"});
  expect_mentions(warned(run.checkpoint, ""), {"trained on a base in NF4", "not quantised here"});
  const QuantizeOptions asked = options("nf4", "base");
  quantize(asked);
  EXPECT_EQ(quantisation_of(asked.out, {}), "NF4");
  EXPECT_EQ(quantisation_of(run.checkpoint, Dtype::kQ4_K), "Q4_K");
  EXPECT_EQ(quantisation_of(run.checkpoint, {}), "");
  // Merged numbers are those of the blocks with the adapter's.
  const ExportReport merged = merge({.checkpoint = asked.out,
                                     .adapter = adapter,
                                     .out = run.path("merged").string(),
                                     .verify = true,
                                     .any_base = true});
  expect_mentions(merged.text, {"in bf16", "verified: logits differ"});
}

TEST_F(Quantized, WhatCannotBeIsRefused) {
  QuantizeOptions weighed = options("q8_0", "no");
  weighed.calibrate = run.path("rows.jsonl").string();
  expect_mentions(message_of([&] { quantize(weighed); }), {"--calibrate", "q8_0"});
  weighed.format = "q4_0";
  weighed.calibrate = run.path("none.jsonl").string();
  expect_mentions(message_of([&] { quantize(weighed); }), {"none.jsonl"});

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
  write_file(run.path("letter.txt"), "Dear all");
  QuantizeOptions over = options("q4_0", "letter.txt");
  over.force = true;
  expect_mentions(message_of([&] { quantize(over); }), {"letter.txt", "no GGUF file"});
  EXPECT_EQ(read_text_file(run.path("letter.txt"), 100), "Dear all");
}

TEST_F(Quantized, FormatsAreKnownInCapitalsAndMixesByTheirNames) {
  const auto logits = [&](const std::string& format) {
    Model model = Model::open({.checkpoint = run.checkpoint, .quantize = format});
    return model.generate({{1, 2, 3}}, {.max_new_tokens = 4, .temperature = 0}).front().ids;
  };
  EXPECT_EQ(logits("NF4"), logits("nf4"));
  expect_mentions(message_of([&] { logits("q4_k_m"); }),
                  {"--quantize q4_k_m is a mix", "falconer quantize MODEL", "--format q4_k_m"});
  ExportOptions exported{
      .checkpoint = run.checkpoint, .out = run.path("a.gguf").string(), .format = "gguf"};
  exported.dtype = "Q8_0";
  export_model(exported);
  exported.out = run.path("b.gguf").string();
  exported.dtype = "Q4_K_M";
  expect_mentions(message_of([&] { export_model(exported); }),
                  {"--dtype Q4_K_M is a mix", "falconer quantize MODEL --format q4_k_m"});
}

TEST_F(Quantized, VerifyingNamesNoFlagOfOthers) {
  QuantizeOptions verified = options("q8_0", "quiet.gguf");
  verified.verify = true;
  const std::string said = log_and_error(LogLevel::kInfo, [&] { quantize(verified); });
  EXPECT_EQ(said.find("--precision"), said.npos) << said;
}

TEST_F(Quantized, ThePlanHasTheWeightsThatAreNotMapped) {
  FinetuneOptions o = run.options("lora", "planned");
  const double mapped = megabytes_of(plan(o).text, "weights, mapped");
  o.checkpoint = options("nf4", "small").out;
  quantize(options("nf4", "small"));
  o.any_base = true;
  const std::string text = plan(o).text;
  const double converted = megabytes_of(text, "weights, converted");
  EXPECT_GT(converted, 0.1 * mapped) << text;
  EXPECT_GT(megabytes_of(text, "trainable and tables"), 0) << text;
}

}  // namespace
}  // namespace falconer::test
