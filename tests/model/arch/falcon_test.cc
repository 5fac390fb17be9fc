// config.json of every generation of Falcon, in today's names and in the first ones.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "model/arch/architecture.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

ModelConfig read(const nlohmann::json& json) {
  const TempFolder folder;
  write_file(folder / "config.json", json.dump());
  return read_model_config(folder.path().string());
}

void expect_same(const ModelConfig& a, const ModelConfig& b) {
  EXPECT_EQ(a.layers, b.layers);
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.heads, b.heads);
  EXPECT_EQ(a.groups, b.groups);
  EXPECT_EQ(a.mlp_width, b.mlp_width);
  EXPECT_EQ(a.parallel, b.parallel);
  EXPECT_EQ(a.shared_norm, b.shared_norm);
  EXPECT_EQ(a.bias(), b.bias());
  EXPECT_EQ(a.alibi, b.alibi);
  EXPECT_EQ(a.rope_dims, b.rope_dims);
  EXPECT_EQ(a.eos_ids, b.eos_ids);
}

TEST(FalconConfig, SevenBillion) {
  const ModelConfig old = read({{"model_type", "RefinedWebModel"},
                                {"hidden_size", 4544},
                                {"n_head", 71},
                                {"n_layer", 32},
                                {"multi_query", true},
                                {"parallel_attn", true},
                                {"alibi", false},
                                {"bias", false},
                                {"vocab_size", 65024},
                                {"eos_token_id", 11}});
  EXPECT_EQ(old.groups, 1);
  EXPECT_TRUE(old.shared_norm);
  expect_same(old, read({{"model_type", "falcon"},
                         {"hidden_size", 4544},
                         {"num_attention_heads", 71},
                         {"num_hidden_layers", 32},
                         {"num_kv_heads", 71},
                         {"multi_query", true},
                         {"parallel_attn", true},
                         {"new_decoder_architecture", false},
                         {"alibi", false},
                         {"bias", false},
                         {"vocab_size", 65024},
                         {"eos_token_id", 11}}));
}

// Its first config.json says "n_head_kv", and nothing else of its kind of block.
TEST(FalconConfig, FortyBillion) {
  const ModelConfig old = read({{"model_type", "RefinedWeb"},
                                {"hidden_size", 8192},
                                {"n_head", 128},
                                {"n_head_kv", 8},
                                {"n_layer", 60},
                                {"parallel_attn", true},
                                {"alibi", false},
                                {"bias", false},
                                {"vocab_size", 65024},
                                {"eos_token_id", 11}});
  EXPECT_EQ(old.groups, 8);
  EXPECT_FALSE(old.shared_norm);
  expect_same(old, read({{"model_type", "falcon"},
                         {"hidden_size", 8192},
                         {"num_attention_heads", 128},
                         {"num_hidden_layers", 60},
                         {"num_kv_heads", 8},
                         {"new_decoder_architecture", true},
                         {"alibi", false},
                         {"bias", false},
                         {"vocab_size", 65024},
                         {"eos_token_id", 11}}));
}

TEST(FalconConfig, RefinedWebOneBillion) {
  const ModelConfig old = read({{"model_type", "RefinedWeb"},
                                {"hidden_size", 2048},
                                {"n_head", 32},
                                {"n_layer", 24},
                                {"multi_query", false},
                                {"parallel_attn", false},
                                {"alibi", true},
                                {"bias", true},
                                {"vocab_size", 50304}});
  EXPECT_EQ(old.groups, 32);
  EXPECT_EQ(old.rope_dims, 0);
  EXPECT_FALSE(old.parallel);
  EXPECT_TRUE(old.bias());
}

TEST(FalconConfig, AMissingFolderIsNotAMissingFile) {
  const TempFolder folder;
  expect_mentions(message_of([&] { read_model_config(folder.path().string()); }), {"config.json"});
  expect_mentions(message_of([] { read_model_config("/no/such/folder"); }),
                  {"/no/such/folder", "no such folder"});
}

}  // namespace
}  // namespace falconer::test
