// What Lit-Parrot's and LitGPT's LoRA got wrong: see docs/defects.md.
#include "method/lora.h"

#include <gtest/gtest.h>

#include "checkpoint/tensor_file.h"
#include "ops/kernels.h"
#include "support/errors.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

using Rows = std::vector<int64_t>;

// A layer with LoRA on parts of its fused product, with random weights. Rows of the product are,
// for each group, its queries, its key, its value.
class FusedLora {
 public:
  FusedLora(int64_t groups, std::vector<std::string> targets, int64_t head_size = 2) {
    const ModelConfig config{.family = "falcon",
                             .layers = 1,
                             .width = 8,
                             .heads = 4,
                             .groups = groups,
                             .head_size = head_size,
                             .mlp_width = 32,
                             .vocab = 13,
                             .context = 16,
                             .rope_dims = head_size,
                             .init_std = 0.5};
    run_.kernels = &cpu_kernels();
    run_.kept = &kept_;
    run_.scratch = &scratch_;
    weights_ = declare_weights(config);
    init_weights(run_, weights_, config, 1, Dtype::kF32, fixed_);
    decoder_ = std::make_unique<Decoder>(config, weights_, run_, fixed_);
    MethodOptions options;
    options.lora_r = kRank;
    options.lora_targets = std::move(targets);
    options.lora_dropout = 0;
    lora_ = make_lora(options);
    lora_->attach(run_, *decoder_, weights_, fixed_, true);
    lora_->initialise(1);
  }

  static constexpr int64_t kRank = 2;
  const Param& a() const { return *lora_->params()[0]; }
  const Param& b() const { return *lora_->params()[1]; }
  int64_t ranks() const { return a().rows(); }
  int64_t trainable() const { return lora_->trainable_count(); }

  /// Rows whose output changes when, of A, rank `rank` alone is not zero and B is 1 everywhere.
  Rows rows_that_see(int64_t rank) {
    std::fill_n(b().value.row<float>(0), b().size(), 1.0f);
    const Tensor with = output(rank), without = output(-1);
    Rows rows;
    for (int64_t m = 0; m < with.view().cols; ++m)
      if (with.view().row<float>(0)[m] != without.view().row<float>(0)[m]) rows.push_back(m);
    return rows;
  }

  /// Rows of B that rank `rank` has a gradient in.
  Rows rows_that_teach(int64_t rank) {
    const std::vector<int32_t> ids = {1, 5, 2, 7, 3};
    const BatchBuffer::Sequence sequence{ids, ids};
    const BatchBuffer batch = BatchBuffer::for_training({&sequence, 1});
    lora_->initialise(1);
    std::memset(b().grad.data, 0, b().grad.bytes());
    decoder_->train(run_, batch.batch(), 1);
    Rows rows;
    for (int64_t m = 0; m < b().rows(); ++m)
      if (b().grad.row<float>(m)[rank] != 0) rows.push_back(m);
    return rows;
  }

  /// Rows of the merged weight that differ, where B is 1 in `rows` of rank `rank`.
  Rows rows_that_merge(const Rows& rows, int64_t rank) {
    lora_->initialise(1);
    for (const int64_t m : rows) b().value.row<float>(m)[rank] = 1;
    LinearSite& site = decoder_->blocks()[0].attention().qkv().sites().front();
    Tensor merged(site.out(), site.in(), Dtype::kF32);
    copy_converted(site.weight().value, merged.view());
    lora_->merge_tensor(site.module() + ".weight", merged.view());
    Rows changed;
    for (int64_t m = 0; m < site.out(); ++m)
      if (std::memcmp(merged.view().at(m), site.weight().value.at(m), 4 * site.in()) != 0)
        changed.push_back(m);
    return changed;
  }

 private:
  Tensor output(int64_t rank) {
    for (int64_t r = 0; r < ranks(); ++r)
      std::fill_n(a().value.row<float>(r), a().cols(), r == rank ? 1.0f : 0.0f);
    LinearSite& site = decoder_->blocks()[0].attention().qkv().sites().front();
    Tensor x(1, site.in(), Dtype::kF32), y(1, site.out(), Dtype::kF32);
    std::fill_n(x.view().row<float>(0), site.in(), 1.0f);
    const ArenaScope kept_scope(kept_);
    HookKept kept;
    site.forward(run_, x.view(), y.view(), kept);
    return y;
  }

  Arena fixed_{1 << 20}, kept_{1 << 20}, scratch_{1 << 20};
  Run run_;
  Weights weights_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Method> lora_;
};

void expect_rows(int64_t groups, const std::string& target, const Rows& want,
                 int64_t head_size = 2) {
  SCOPED_TRACE(fmt::format("{} groups, {}", groups, target));
  FusedLora lora(groups, {target}, head_size);
  ASSERT_EQ(lora.ranks(), FusedLora::kRank);
  EXPECT_EQ(lora.trainable(),
            FusedLora::kRank * (lora.a().cols() + static_cast<int64_t>(want.size())));
  for (int64_t rank = 0; rank < lora.ranks(); ++rank) {
    EXPECT_EQ(lora.rows_that_teach(rank), want);
    EXPECT_EQ(lora.rows_that_see(rank), want);
    EXPECT_EQ(lora.rows_that_merge(want, rank), want);
  }
}

// Row lists of d = 8, H = 4, head size 2, for 4, 1 and 2 groups.
const std::map<int64_t, std::map<std::string, Rows>> kRows = {
    {4,
     {{"q", {0, 1, 6, 7, 12, 13, 18, 19}},
      {"k", {2, 3, 8, 9, 14, 15, 20, 21}},
      {"v", {4, 5, 10, 11, 16, 17, 22, 23}}}},
    {1, {{"q", {0, 1, 2, 3, 4, 5, 6, 7}}, {"k", {8, 9}}, {"v", {10, 11}}}},
    {2, {{"q", {0, 1, 2, 3, 8, 9, 10, 11}}, {"k", {4, 5, 12, 13}}, {"v", {6, 7, 14, 15}}}}};

// Keeps out defect 1 of docs/defects.md.
TEST(Defects, LoraOfQueriesAndValuesDoesNotMixTheirRanks) {
  for (const auto& [groups, rows] : kRows) {
    SCOPED_TRACE(groups);
    FusedLora lora(groups, {"q", "v"});
    ASSERT_EQ(lora.ranks(), 4);
    for (int64_t rank = 0; rank < 4; ++rank) {
      const Rows& want = rows.at(rank < 2 ? "q" : "v");
      EXPECT_EQ(lora.rows_that_teach(rank), want);
      EXPECT_EQ(lora.rows_that_see(rank), want);
    }
  }
}

// Keeps out defect 2 of docs/defects.md.
TEST(Defects, LoraChangesTheRowsOfItsTargetInEveryLayout) {
  for (const auto& [groups, parts] : kRows) {
    expect_rows(groups, "q", parts.at("q"));
    expect_rows(groups, "v", parts.at("v"));
  }
}

// Keeps out defect 3 of docs/defects.md.
TEST(Defects, LoraOnKeysReachesTheKeys) {
  for (const auto& [groups, parts] : kRows) {
    expect_rows(groups, "k", parts.at("k"));
    FusedLora all(groups, {"q", "k", "v"});
    ASSERT_EQ(all.ranks(), 6);
    EXPECT_EQ(all.rows_that_see(2), parts.at("k"));
  }
}

// Keeps out defect 4 of docs/defects.md: heads of 4 make 16 rows of queries, and the width is 8.
TEST(Defects, LoraRowsFollowTheHeadSizeAndNotTheWidth) {
  expect_rows(1, "q", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, 4);
  expect_rows(1, "v", {20, 21, 22, 23}, 4);
  expect_rows(2, "v", {12, 13, 14, 15, 28, 29, 30, 31}, 4);
}

// Keeps out defect 15 of docs/defects.md: a LoRA of nothing is no LoRA, and nothing is merged.
TEST(Defects, LoraOfNothingIsRefused) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.lora_r = 0;
  expect_mentions(message_of([&] { finetune(o); }), {"--lora-r", "0"});
  o.lora_r = 8;
  o.lora_targets = {};
  expect_mentions(message_of([&] { finetune(o); }), {"--lora-targets"});
  o.lora_targets = {"q", "nothing_like_it"};
  expect_mentions(message_of([&] { finetune(o); }), {"nothing_like_it"});
  EXPECT_THROW(merge({.checkpoint = run.checkpoint, .adapter = "", .out = run.path("m").string()}),
               Error);
}

// Keeps out defect 30 of docs/defects.md: saved under the head's own name, read again, and merged
// into a head of its own where the embedding's was shared.
TEST(Defects, LoraOfTheHeadIsSavedReadAndMerged) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.lora_targets = {"head"};
  o.lr = 3e-2;
  const std::string adapter = finetune(o).final_folder;
  const TensorFiles files = TensorFiles::open_file(adapter + "/adapter_model.safetensors");
  EXPECT_EQ(files.tensors().size(), 2u);
  EXPECT_NE(files.find("base_model.model.lm_head.lora_B.weight"), nullptr);
  const std::string merged = run.path("merged").string();
  EXPECT_NO_THROW(
      merge({.checkpoint = run.checkpoint, .adapter = adapter, .out = merged, .verify = true}));
  const TensorFiles whole = TensorFiles::open_folder(merged);
  ASSERT_NE(whole.find("lm_head.weight"), nullptr);
  EXPECT_FALSE(same_bytes(whole.find("lm_head.weight")->view(),
                          whole.find("transformer.word_embeddings.weight")->view()));
}

}  // namespace
}  // namespace falconer::test
