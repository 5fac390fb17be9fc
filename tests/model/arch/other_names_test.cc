#include "model/arch/other_names.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace falconer::test {
namespace {

ModelConfig shape_of(const std::string& family, int64_t heads = 4, int64_t groups = 2) {
  const nlohmann::json json = {{"vocab_size", 5},
                               {"hidden_size", 8 * heads},
                               {"num_hidden_layers", 2},
                               {"num_attention_heads", heads},
                               {"num_key_value_heads", groups},
                               {"head_dim", 8},
                               {"intermediate_size", 12},
                               {"new_decoder_architecture", true},
                               {"num_kv_heads", groups}};
  ModelConfig m = architecture(family).read_config(json, family);
  m.family = family;
  return m;
}

const OtherModule* module_named(const std::vector<OtherModule>& all, std::string_view name) {
  for (const OtherModule& one : all)
    if (one.name == name) return &one;
  return nullptr;
}

std::vector<int64_t> rows_of(const OtherPart& part) {
  std::vector<int64_t> rows;
  for (const RowRange& range : part.rows)
    for (int64_t i = 0; i < range.count; ++i) rows.push_back(range.begin + i);
  return rows;
}

// Every row of ours lies elsewhere once, and what is read back is what was written.
TEST(OtherNames, BothWaysUndoEachOther) {
  for (const OtherFormat format : {OtherFormat::kLitGpt, OtherFormat::kGguf})
    for (const char* family :
         {"falcon", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2",
          "gemma3_text", "olmo2", "stablelm", "cohere", "starcoder2", "falcon_h1"}) {
      const ModelConfig config = shape_of(family);
      std::map<std::string, std::vector<std::pair<ModuleId, int64_t>>> there;
      for (const OtherModule& module : modules_elsewhere(config, format)) {
        auto& rows = there[module.weight()];
        EXPECT_TRUE(rows.empty()) << family << ": two modules named " << module.name;
        for (const OtherPart& part : module.parts)
          for (const int64_t row : rows_of(part)) rows.emplace_back(part.ours, row);
        EXPECT_EQ(std::ssize(rows), module.rows());
      }
      const std::vector<AssembledTensor> ours = ours_from(config, format);
      size_t i = 0;
      declare_modules(config, [&](const ModuleShape& module) {
        const AssembledTensor& tensor = ours.at(i);
        i += module.kind == ModuleKind::kVector ? 1 : 2;  // and a bias
        int64_t row = 0;
        for (const TensorPiece& piece : tensor.pieces) {
          const auto& rows = there.at(piece.tensor);
          const int64_t count = piece.rows.count > 0 ? piece.rows.count : std::ssize(rows);
          for (int64_t k = 0; k < count; ++k, ++row) {
            const auto& [id, at] = rows.at(static_cast<size_t>(piece.rows.begin + k));
            EXPECT_TRUE(id == module.id && at == row) << family << " " << tensor.name << " " << row;
          }
        }
        EXPECT_EQ(row, module.out) << family << " " << tensor.name;
      });
    }
}

TEST(OtherNames, PartsOfAFusedMatrixAreAllQueriesThenKeysThenValues) {
  const auto all = modules_elsewhere(shape_of("falcon"), OtherFormat::kGguf);
  const OtherModule* qkv = module_named(all, "blk.0.attn_qkv");
  ASSERT_NE(qkv, nullptr);
  ASSERT_EQ(qkv->parts.size(), 3u);
  // Two groups of two queries, a key, a value, each of 8 rows.
  EXPECT_EQ(rows_of(qkv->parts[0])[16], 32);
  EXPECT_EQ(rows_of(qkv->parts[1])[0], 16);
  EXPECT_EQ(rows_of(qkv->parts[2])[8], 56);
}

TEST(OtherNames, LitGptFusesWhatIsApartAndTakesApartWhatIsFused) {
  const auto llama = modules_elsewhere(shape_of("llama"), OtherFormat::kLitGpt);
  const OtherModule* qkv = module_named(llama, "transformer.h.1.attn.qkv");
  ASSERT_NE(qkv, nullptr);
  EXPECT_EQ(qkv->rows(), 32 + 16 + 16);
  EXPECT_EQ(qkv->parts[1].ours, (ModuleId{1, Role::kK}));
  const auto phi = modules_elsewhere(shape_of("phi3"), OtherFormat::kLitGpt);
  const OtherModule* up = module_named(phi, "transformer.h.0.mlp.fc_2");
  ASSERT_NE(up, nullptr);
  EXPECT_EQ(up->parts.front().ours.role, Role::kGateUp);
  EXPECT_EQ(rows_of(up->parts.front()).front(), 12);
}

TEST(OtherNames, LlamaCppTurnsHeadsOfLlamasAlone) {
  const auto turned = modules_elsewhere(shape_of("llama"), OtherFormat::kGguf);
  const OtherModule* q = module_named(turned, "blk.0.attn_q");
  ASSERT_NE(q, nullptr);
  const std::vector<int64_t> first = rows_of(q->parts.front());
  EXPECT_EQ((std::vector<int64_t>{0, 4, 1, 5, 2, 6, 3, 7, 8, 12}),
            (std::vector<int64_t>(first.begin(), first.begin() + 10)));
  const auto plain = modules_elsewhere(shape_of("qwen2"), OtherFormat::kGguf);
  EXPECT_EQ(module_named(plain, "blk.0.attn_q")->parts.front().rows.size(), 1u);
}

TEST(OtherNames, LlamaCppAddsToGemmasNorms) {
  const auto gemma = modules_elsewhere(shape_of("gemma3_text"), OtherFormat::kGguf);
  for (const OtherModule& module : gemma)
    EXPECT_EQ(module.form.added, module.kind == ModuleKind::kNorm ? 1 : 0) << module.name;
  EXPECT_NE(module_named(gemma, "blk.0.attn_q_norm"), nullptr);
  EXPECT_NE(module_named(gemma, "blk.0.post_ffw_norm"), nullptr);
  for (const OtherModule& module : modules_elsewhere(shape_of("gemma"), OtherFormat::kLitGpt))
    EXPECT_EQ(module.form.added, 0);
}

}  // namespace
}  // namespace falconer::test
