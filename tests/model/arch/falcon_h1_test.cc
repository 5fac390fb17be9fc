// What a config.json of Falcon-H1 means, and what of it is refused.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/common.h"
#include "base/file.h"
#include "method/session.h"
#include "model/arch/architecture.h"
#include "support/errors.h"
#include "support/made_checkpoint.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

using nlohmann::json;

class FalconH1 : public ::testing::Test {
 protected:
  static json settings() {
    json all = h1_settings();
    all.update(
        json{{"hidden_size", 40}, {"num_hidden_layers", 2}, {"head_dim", 8}, {"vocab_size", 61}});
    return all;
  }
  ModelConfig read_text(const std::string& text) {
    write_file(folder / "config.json", text);
    return read_model_config(folder.path().string());
  }
  ModelConfig read(const json& more) {
    json all = settings();
    all.update(more);
    return read_text(all.dump());
  }
  void refuses(const json& more, std::initializer_list<const char*> mentions) {
    const std::string said = message_of([&] { read(more); });
    EXPECT_FALSE(said.empty()) << more.dump();
    for (const char* mention : mentions)
      EXPECT_NE(said.find(mention), std::string::npos) << mention << " in: " << said;
  }

  TempFolder folder;
};

TEST_F(FalconH1, ReadsSizesAndFactors) {
  const ModelConfig m = read(h1_factors());
  EXPECT_EQ(m.ssm.in_rows(), 48 + 48 + 2 * 2 * 16 + 6);
  EXPECT_EQ(m.ssm.head_size, 8);
  EXPECT_TRUE(m.ssm.norm);
  EXPECT_EQ(m.embedding_scale, 2.5);
  EXPECT_EQ(m.logit_scale, 0.7);
  EXPECT_EQ(m.key_scale, 0.6);
  EXPECT_EQ(m.attention_in_scale, 1.3);
  EXPECT_EQ(m.attention_out_scale, 0.8);
  EXPECT_EQ(m.ssm.in_scale, 1.25);
  EXPECT_EQ(m.ssm.out_scale, 0.9);
  EXPECT_EQ(m.gate_scale, 0.85);
  EXPECT_EQ(m.down_scale, 1.1);
  EXPECT_EQ(m.ssm.part_scales, (std::array<double, 5>{0.7, 1.2, 0.8, 1.4, 0.6}));
}

TEST_F(FalconH1, TakesTheOtherSpellingsOfTheSame) {
  EXPECT_EQ(
      read({{"mamba_d_ssm", nullptr}, {"mamba_expand", 3}, {"mamba_d_head", "auto"}}).ssm.width(),
      120);
  EXPECT_EQ(read({{"mamba_d_head", "auto"}}).ssm.head_size, 8);
  EXPECT_EQ(read({{"num_key_value_heads", nullptr}}).groups, 4);
  EXPECT_EQ(read({{"ssm_multipliers", nullptr}}).ssm.part_scales[4], 1);
  read({{"time_step_limit", json::array({0.0, {{"__float__", "Infinity"}}})}});
  read({{"time_step_limit", nullptr}});
  // Without a norm the switch says nothing.
  EXPECT_FALSE(read({{"mamba_rms_norm", false}, {"mamba_norm_before_gate", true}}).ssm.norm);
  // As Python's json writes it.
  std::string text = settings().dump();
  text.insert(1, R"("time_step_limit": [0.0, Infinity], "_name": "a \"NaN\", Infinity", )");
  EXPECT_EQ(read_text(text).ssm.heads, 6);
}

TEST_F(FalconH1, RefusesByNameWhatTheMixerCannotHave) {
  refuses({{"hidden_act", "gelu"}}, {"hidden_act", "gelu", "silu"});
  refuses({{"mamba_norm_before_gate", true}}, {"mamba_norm_before_gate"});
  refuses({{"time_step_limit", {0.0, 0.1}}}, {"time_step_limit", "0.1", "Infinity"});
  refuses({{"time_step_limit", json::array({0.001, {{"__float__", "Infinity"}}})}},
          {"time_step_limit"});
  refuses({{"mamba_n_heads", 7}}, {"48", "7", "mamba_n_heads"});
  refuses({{"mamba_d_head", 16}}, {"mamba_d_head", "16", "48"});
  refuses({{"mamba_n_groups", 4}}, {"6 heads", "4 groups"});
  refuses({{"ssm_multipliers", {1, 2, 3}}}, {"ssm_multipliers", "5"});
  refuses({{"mlp_multipliers", {1, "2"}}}, {"mlp_multipliers[1]"});
  refuses({{"key_multiplier", "0.5"}}, {"key_multiplier"});
  refuses({{"mamba_d_conv", 1000}}, {"mamba_d_conv"});
  refuses({{"mamba_d_state", 0}}, {"mamba_d_state"});
}

// A NaN would be lost in the exponentials of a scan, and answers be finite all the same.
TEST_F(FalconH1, RatesThatAreNoNumbersAreRefused) {
  for (const char* name : {"A_log", "D", "dt_bias"}) {
    const std::string model = write_checkpoint(
        folder / name, {.config = settings(), .edit = [&](const Param& param, auto& values) {
                          if (param.name.ends_with(name)) values[1] = NAN;
                        }});
    const std::string said = message_of([&] { Session::open({.checkpoint = model}); });
    EXPECT_NE(said.find(fmt::format("mamba.{} holds nan at 1", name)), std::string::npos) << said;
  }
}

TEST_F(FalconH1, ATokenizerBesideABareInfinityIsRead) {
  std::string text = settings().dump();
  text.insert(1, R"("time_step_limit": [0.0, Infinity], "eos_token_id": 7, )");
  write_file(folder / "config.json", text);
  add_demo_tokenizer(folder.path());
  EXPECT_TRUE(find_tokenizer(folder.path().string()).has_value());
}

}  // namespace
}  // namespace falconer::test
