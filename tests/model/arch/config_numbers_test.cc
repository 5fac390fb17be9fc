// Every number of a config.json, as what it should not be.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
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

class ConfigNumbers : public ::testing::Test {
 protected:
  ModelConfig read(const json& config) {
    write_file(folder / "config.json", config.dump());
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
  for (const json& config : {kFalcon, kNeoX}) {
    EXPECT_NO_THROW(read(config));
    for (const json& value : {json(true), json("3"), json::array({"x"}), json::object()})
      expect_refused(config, value, false);
    for (const json& value : {json(2.5), json(uint64_t{18446744073709551516U}), json(1e300),
                              json(int64_t{9007199254740993}), json(int64_t{4294967297})})
      expect_refused(config, value, true);
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
