#include "model/arch/folded.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/arch/architecture.h"

namespace falconer::test {
namespace {

ModelConfig h1(const nlohmann::json& more = nlohmann::json::object()) {
  nlohmann::json json = {{"vocab_size", 5},          {"hidden_size", 32},
                         {"num_hidden_layers", 1},   {"num_attention_heads", 4},
                         {"num_key_value_heads", 2}, {"intermediate_size", 48},
                         {"mamba_n_heads", 6},       {"mamba_d_ssm", 48},
                         {"mamba_n_groups", 2},      {"mamba_d_state", 8}};
  for (const auto& [key, value] : more.items()) json[key] = value;
  ModelConfig m = architecture("falcon_h1").read_config(json, "here");
  m.family = "falcon_h1";
  return m;
}

nlohmann::json factors() {
  return {{"embedding_multiplier", 2.0},
          {"lm_head_multiplier", 3.0},
          {"attention_in_multiplier", 5.0},
          {"attention_out_multiplier", 7.0},
          {"key_multiplier", 11.0},
          {"mlp_multipliers", {13.0, 17.0}},
          {"ssm_in_multiplier", 19.0},
          {"ssm_out_multiplier", 23.0},
          {"ssm_multipliers", {29.0, 31.0, 37.0, 41.0, 43.0}}};
}

std::vector<FoldedRows> of_role(const ModelConfig& m, Role role) {
  for (const ModuleShape& module : modules_of(m))
    if (module.id.role == role) return folded_rows(m, module);
  ADD_FAILURE() << "no such module";
  return {};
}

TEST(Folded, EveryFactorIsAtItsModule) {
  const ModelConfig m = h1(factors());
  const std::pair<Role, std::pair<float, float>> expected[] = {
      {Role::kEmbedding, {2, 2}}, {Role::kQ, {5, 1}},        {Role::kK, {55, 11}},
      {Role::kV, {5, 1}},         {Role::kDense, {7, 7}},    {Role::kGate, {13, 13}},
      {Role::kDown, {17, 17}},    {Role::kSsmOut, {23, 23}}, {Role::kHead, {3, 3}}};
  for (const auto& [role, both] : expected) {
    const std::vector<FoldedRows> rows = of_role(m, role);
    ASSERT_EQ(rows.size(), 1u) << role_name(role);
    EXPECT_EQ(rows[0].of_weight(), both.first) << role_name(role);
    EXPECT_EQ(rows[0].of_bias(), both.second) << role_name(role);
  }
  for (const Role role :
       {Role::kUp, Role::kAttentionNorm, Role::kSsmConv, Role::kSsmDecay, Role::kFinalNorm})
    EXPECT_TRUE(of_role(m, role).empty()) << role_name(role);
}

TEST(Folded, RowsOfAStateSpaceMixerHaveTheirOwn) {
  const std::vector<FoldedRows> rows = of_role(h1(factors()), Role::kSsmIn);
  const std::tuple<int64_t, int64_t, float> expected[] = {
      {0, 48, 29}, {48, 48, 31}, {96, 16, 37}, {112, 16, 41}, {128, 6, 43}};
  ASSERT_EQ(rows.size(), std::size(expected));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto [begin, count, factor] = expected[i];
    EXPECT_EQ(rows[i].rows.begin, begin);
    EXPECT_EQ(rows[i].rows.count, count);
    EXPECT_EQ(rows[i].of_weight(), 19 * factor);
    EXPECT_EQ(folded_at(rows, begin + count - 1), &rows[i]);
  }
  EXPECT_EQ(folded_at(rows, 134), nullptr);
}

// A tied head has the embedding's factor, and the norm before it what is then still missing.
TEST(Folded, ATiedHeadStaysTied) {
  nlohmann::json tied = factors();
  tied["tie_word_embeddings"] = true;
  const ModelConfig m = h1(tied);
  EXPECT_EQ(of_role(m, Role::kHead)[0].of_weight(), of_role(m, Role::kEmbedding)[0].of_weight());
  EXPECT_EQ(of_role(m, Role::kFinalNorm)[0].of_weight(), 1.5f);
}

TEST(Folded, NothingIsWhereLlamaCppMultipliesItself) {
  for (const ModuleShape& module : modules_of(h1())) EXPECT_TRUE(folded_rows(h1(), module).empty());
  ModelConfig gemma = h1(factors());
  gemma.family = "gemma";
  EXPECT_TRUE(of_role(gemma, Role::kEmbedding).empty());
}

}  // namespace
}  // namespace falconer::test
