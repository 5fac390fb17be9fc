// Values on their way through merge and export: none changes in silence, and none that is no number
// is passed on.
#include <gtest/gtest.h>

#include <cmath>

#include "model/open_model.h"
#include "support/errors.h"
#include "support/made_checkpoint.h"
#include "train/run_folder.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

class Values : public ::testing::Test {
 protected:
  Values() { set_verbosity("quiet"); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::string made(const std::string& name, MadeCheckpoint checkpoint) {
    checkpoint.shape.vocab = 640;
    write_checkpoint(folder_ / name, checkpoint);
    add_demo_tokenizer(folder_ / name);
    return path(name);
  }
  static std::function<void(const Param&, std::vector<float>&)> put(const std::string& tensor,
                                                                    float value) {
    return [=](const Param& param, std::vector<float>& values) {
      if (param.name == tensor) values[values.size() / 2] = value;
    };
  }
  std::string adapter_on(const std::string& checkpoint, const std::string& method = "lora") {
    write_rows(folder_ / "rows.jsonl", 24);
    FinetuneOptions o;
    o.method = method;
    o.checkpoint = checkpoint;
    o.data = path("rows.jsonl");
    o.out = path("run-" + method);
    o.max_steps = 2;
    o.batch_size = 4;
    o.lr = 1e-2;
    return finetune(o).final_folder;
  }
  std::string exported(const std::string& checkpoint, const std::string& format,
                       const std::string& dtype = "auto") {
    return message_of([&] {
      export_model({.checkpoint = checkpoint,
                    .out = path(fmt::format("to-{}-{}-{}", format, dtype, next_++)),
                    .format = format,
                    .dtype = dtype});
    });
  }

  TempFolder folder_;
  int next_ = 0;
};

constexpr const char* kFormats[] = {"hf", "gguf", "litgpt", "lit-parrot"};

TEST_F(Values, WhatIsNoNumberIsNamedAndNotPassedOn) {
  int number = 0;
  for (const char* tensor :
       {"transformer.h.0.mlp.dense_h_to_4h.weight", "transformer.h.1.input_layernorm.bias",
        "transformer.h.1.self_attention.query_key_value.weight"})
    for (const float value : {NAN, INFINITY, -INFINITY}) {
      const std::string damaged =
          made(fmt::format("damaged-{}", number++), {.edit = put(tensor, value)});
      for (const char* format : kFormats)
        for (const char* dtype : {"auto", "bf16"})
          expect_mentions(exported(damaged, format, dtype),
                          {tensor, std::isnan(value) ? "nan" : "inf"});
      write_rows(folder_ / "some.jsonl", 3);
      expect_mentions(message_of([&] { scores(damaged, path("some.jsonl")); }), {"line 1", tensor});
    }
}

TEST_F(Values, AMergeThatOverflowsIsNamed) {
  const std::string base = made("base", {});
  const std::string adapter = adapter_on(base);
  const std::string large =
      made("large", {.edit = [](const Param& param, std::vector<float>& values) {
             if (param.name != "transformer.h.0.self_attention.query_key_value.weight") return;
             for (float& value : values) value = 3.4028234e38f;
           }});
  // The same adapter, far too large.
  const fs::path file = fs::path(adapter) / "adapter_model.safetensors";
  std::vector<Tensor> tensors;
  std::vector<NamedView> views;
  {
    const TensorFiles files = TensorFiles::open_file(file);
    for (const auto& [name, stored] : files.tensors()) {
      tensors.emplace_back(stored.rows(), stored.cols(), Dtype::kF32);
      std::vector<float> values = host_values(stored.view());
      if (name.find("lora_B") != std::string::npos) std::ranges::fill(values, 1e38f);
      set_values(tensors.back().view(), values);
      views.push_back({name, stored.shape, tensors.back().view()});
    }
  }
  write_safetensors(file, views);
  expect_mentions(
      message_of([&] {
        merge({.checkpoint = large, .adapter = adapter, .out = path("merged"), .any_base = true});
      }),
      {"with the adapter folded in", "query_key_value"});
  EXPECT_FALSE(fs::exists(path("merged")));
}

TEST_F(Values, WhatTheDtypeCannotHoldIsNamed) {
  const std::string far =
      made("far", {.edit = put("transformer.h.0.mlp.dense_h_to_4h.weight", 3.4e38f)});
  for (const char* format : kFormats) {
    expect_mentions(exported(far, format, "bf16"), {"bf16 ends at", "3.4e+38"});
    expect_mentions(exported(far, format, "f16"), {"f16 ends at"});
  }
  expect_mentions(exported(far, "gguf", "q8_0"), {"ffn_up", "Q8_0"});
}

std::map<std::string, Dtype> dtypes_of(const std::string& checkpoint) {
  std::map<std::string, Dtype> all;
  const TensorFiles files = open_weights(checkpoint, read_model_config(checkpoint));
  for (const auto& [name, tensor] : files.tensors()) all[name] = tensor.dtype;
  return all;
}

// Each tensor of a checkpoint of several dtypes stays in its own, whatever the embedding's is.
TEST_F(Values, TensorsKeepTheirOwnDtypes) {
  const auto mixed = [](const Param& param) {
    if (param.name.find("embeddings") != std::string::npos) return Dtype::kBF16;
    if (param.name.find(".h.0.mlp") != std::string::npos) return Dtype::kF16;
    return param.name.find(".ln_f.bias") != std::string::npos ? Dtype::kBF16 : Dtype::kF32;
  };
  const std::string checkpoint = made("mixed", {.shape = {.layers = 2}, .dtype = mixed});
  write_rows(folder_ / "rows.jsonl", 3);
  const auto before = scores(checkpoint, path("rows.jsonl"));
  const auto dtypes = dtypes_of(checkpoint);
  for (const char* format : kFormats) {
    const std::string out = path(std::string("kept-") + format);
    export_model({.checkpoint = checkpoint, .out = out, .format = format});
    EXPECT_EQ(scores(out, path("rows.jsonl")), before) << format;
    for (const auto& [name, dtype] : dtypes_of(out)) {
      if (name == "lm_head.weight" || name.find("ln_f.bias") != std::string::npos) continue;
      if (name.find("norm") != std::string::npos || name.find("ln_f") != std::string::npos)
        continue;
      EXPECT_EQ(dtype, dtypes.at(name)) << format << " " << name;
    }
  }
}

TEST_F(Values, HalfPrecisionStaysInEveryFormatAndInAMerge) {
  const std::string checkpoint =
      made("f16", {.shape = {.layers = 3}, .dtype = [](const Param&) { return Dtype::kF16; }});
  const std::string adapter = adapter_on(checkpoint);
  const auto before = scores(checkpoint, path("rows.jsonl"));
  for (const char* format : kFormats) {
    const std::string out = path(std::string("half-") + format), back = out + "-back";
    export_model({.checkpoint = checkpoint, .out = out, .format = format});
    EXPECT_EQ(scores(out, path("rows.jsonl")), before) << format;
    // A GGUF's vectors are f32; they are as they were again where they come back.
    export_model({.checkpoint = out, .out = back, .format = "hf"});
    EXPECT_EQ(read_text_file(back + "/model.safetensors"),
              read_text_file(path("half-hf") + "/model.safetensors"))
        << format;
  }
  merge({.checkpoint = checkpoint, .adapter = adapter, .out = path("merged"), .verify = true});
  for (const auto& [name, dtype] : dtypes_of(path("merged"))) EXPECT_EQ(dtype, Dtype::kF16) << name;
}

}  // namespace
}  // namespace falconer::test
