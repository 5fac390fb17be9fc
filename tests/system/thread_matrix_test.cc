// The number of threads changes no byte: rows of every length up to 70, so that products and tiles of
// attention of every small size are made, forward and backward, by every method.
#include <gtest/gtest.h>

#include "base/threads.h"
#include "support/run_files.h"
#include "support/tiny_model.h"

namespace falconer::test {
namespace {

constexpr int kThreads[] = {2, 3, 4, 7, 16};  // beside one
constexpr int64_t kLongest = 70;

void write_lengths(const std::filesystem::path& path, int64_t first, int64_t vocab) {
  std::ofstream file(path);
  for (int64_t length = first; length <= kLongest; ++length) {
    nlohmann::json ids = nlohmann::json::array();
    for (int64_t i = 0; i < length; ++i) ids.push_back(1 + (i * 7 + length) % (vocab - 1));
    file << nlohmann::json({{"input_ids", ids}, {"labels", ids}}).dump() << "\n";
  }
}

/// What a run with some number of threads came to.
struct Result {
  std::vector<double> losses;
  std::string weights, logits;
};

class ThreadMatrix : public testing::TestWithParam<std::tuple<const char*, const char*, bool>> {
 protected:
  ThreadMatrix() : run_(shape()) {
    const std::filesystem::path config = std::filesystem::path(run_.checkpoint) / "config.json";
    auto longer = nlohmann::json::parse(read_text_file(config));
    longer["max_position_embeddings"] = 2 * kLongest;
    write_file(config, longer.dump());
    write_lengths(run_.path("all.jsonl"), 1, shape().vocab);
    write_lengths(run_.path("rows.jsonl"), 2, shape().vocab);  // of one token nothing is learned
  }
  void TearDown() override { set_thread_count(before_); }

  // Two heads share keys and values: up to 64 tokens are one tile of attention.
  static TinyShape shape() {
    TinyShape shape{.layers = 2, .width = 128, .heads = 2};
    shape.grouped = std::get<2>(GetParam());
    if (shape.grouped) shape.heads = 4;
    return shape;
  }

  /// A step for every length, then the logits of every row.
  Result trained(int threads) const {
    set_thread_count(threads);
    FinetuneOptions o = run_.options(std::get<0>(GetParam()), fmt::format("out-{}", threads));
    o.precision = std::get<1>(GetParam());
    o.shuffle = false;
    o.batch_size = o.micro_batch_size = 1;
    o.max_steps = kLongest - 1;
    o.lr = 1e-3;
    o.lora_dropout = 0.1;
    o.tensorboard = false;
    if (o.method == "lora") o.lora_targets = {"all-linear", "head"};
    const std::string final = finetune(o).final_folder;
    const bool whole = o.method == "full";
    ScoreOptions s{.checkpoint = whole ? final : run_.checkpoint,
                   .adapter = whole ? "" : final,
                   .data = run_.path("all.jsonl").string(),
                   .output = run_.path(fmt::format("scores-{}", threads)).string(),
                   .logits = run_.path(fmt::format("logits-{}", threads)).string(),
                   .precision = o.precision};
    score(s);
    return {losses(o.out), file_bytes(weights_of(final)), file_bytes(s.logits)};
  }

 private:
  const int before_ = thread_count();
  const TinyRun run_;
};

TEST_P(ThreadMatrix, IsOneResult) {
  const Result one = trained(1);
  ASSERT_EQ(one.losses.size(), static_cast<size_t>(kLongest - 1));
  for (const int threads : kThreads) {
    const Result other = trained(threads);
    for (size_t i = 0; i < one.losses.size(); ++i)
      if (other.losses[i] != one.losses[i]) {
        ADD_FAILURE() << threads << " threads: another loss first with a row of " << i + 2
                      << " tokens, " << other.losses[i] << " for " << one.losses[i];
        break;
      }
    EXPECT_TRUE(other.weights == one.weights) << threads << " threads: other weights";
    EXPECT_TRUE(other.logits == one.logits) << threads << " threads: other logits";
  }
}

INSTANTIATE_TEST_SUITE_P(All, ThreadMatrix,
                         testing::Combine(testing::Values("lora", "adapter", "adapter-v2", "full"),
                                          testing::Values("f32", "bf16"), testing::Bool()),
                         [](const auto& which) {
                           std::string name = std::get<0>(which.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name + "_" + std::get<1>(which.param) +
                                  (std::get<2>(which.param) ? "_grouped" : "_multi_query");
                         });

}  // namespace
}  // namespace falconer::test
