#include "model/arch/gguf_config.h"

#include <gtest/gtest.h>

#include "model/arch/architecture.h"
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

TEST_F(GgufConfig, WhatIsNoFalconModelIsRefused) {
  GgufMetadata llama, adapter, short_one, odd;
  llama.add("general.architecture", "llama");
  expect_mentions(refused(llama), {"x.gguf", "llama", "falcon"});
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
  expect_mentions(message(m), {"gpt_neox", "Falcon"});
}

}  // namespace
}  // namespace falconer::test
