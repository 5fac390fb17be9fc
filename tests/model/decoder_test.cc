// The decoder against the numbers of transformers: logits, losses and every gradient, on every
// golden model.
#include <gtest/gtest.h>

#include <cmath>

#include "method/session.h"
#include "support/devices.h"
#include "support/goldens.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

std::vector<int32_t> ids_of(const StoredTensor& tensor) {
  std::vector<int32_t> ids;
  const int64_t* values = reinterpret_cast<const int64_t*>(tensor.bytes.data());
  for (int64_t i = 0; i < tensor.size(); ++i) ids.push_back(static_cast<int32_t>(values[i]));
  return ids;
}

// The rows of a golden batch without their right padding.
struct GoldenBatch {
  std::vector<std::vector<int32_t>> ids, labels;

  GoldenBatch(const TensorFiles& golden, const std::string& name) {
    const StoredTensor& all = *golden.find(name + ".input_ids");
    const StoredTensor* mask = golden.find(name + ".attention_mask");
    const StoredTensor* label = golden.find(name + ".labels");
    const std::vector<int32_t> flat = ids_of(all);
    const std::vector<int32_t> on =
        mask != nullptr ? ids_of(*mask) : std::vector<int32_t>(flat.size(), 1);
    const std::vector<int32_t> targets = label != nullptr ? ids_of(*label) : std::vector<int32_t>();
    const int64_t rows = all.shape[0], length = all.shape[1];
    for (int64_t i = 0; i < rows; ++i) {
      int64_t n = 0;
      while (n < length && on[i * length + n] != 0) ++n;
      ids.emplace_back(flat.begin() + i * length, flat.begin() + i * length + n);
      if (!targets.empty())
        labels.emplace_back(targets.begin() + i * length, targets.begin() + i * length + n);
    }
  }

  std::vector<BatchBuffer::Sequence> sequences() const {
    std::vector<BatchBuffer::Sequence> made;
    for (size_t i = 0; i < ids.size(); ++i)
      made.push_back({ids[i], labels.empty() ? std::span<const int32_t>() : labels[i]});
    return made;
  }
};

double largest(const float* values, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(static_cast<double>(values[i])));
  return most;
}

class GoldenModel : public testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_GOLDENS();
    if (!test::has_device(device())) GTEST_SKIP() << "no " << device() << " device is here";
    const fs::path root = test::goldens();
    folder_ = root / "models" / model();
    golden_ = std::make_unique<TensorFiles>(
        TensorFiles::open_file(root / "goldens" / model() / "golden.safetensors"));
  }

  const char* model() const { return std::get<0>(GetParam()); }
  std::string device() const { return std::get<1>(GetParam()); }

  fs::path folder_;
  std::unique_ptr<TensorFiles> golden_;
};

TEST_P(GoldenModel, LogitsAndLossAgree) {
  const auto session = Session::open(
      {.checkpoint = folder_.string(), .precision = Precision::kF32, .device = device()});
  for (const char* name : {"b0", "b1", "b2", "b3"}) {
    const GoldenBatch batch(*golden_, name);
    const StoredTensor& want = *golden_->find(std::string(name) + ".logits");
    const float* wanted = reinterpret_cast<const float*>(want.bytes.data());
    const int64_t length = want.shape[1], vocab = want.shape[2];
    const auto sequences = batch.sequences();
    const BatchBuffer buffer = BatchBuffer::for_training(sequences);
    const int64_t n = buffer.batch().tokens();
    Tensor rows(1, n, Dtype::kI32), logits(n, vocab, Dtype::kF32);
    for (int64_t i = 0; i < n; ++i) rows.view().row<int32_t>(0)[i] = static_cast<int32_t>(i);
    const auto pass = [&](falconer::Run& run) {
      session->decoder().logits(run, buffer.batch(), rows.view(), logits.view());
    };
    session->reserve(pass);
    pass(session->run());
    const double bound = 3e-5 * largest(wanted, want.size());
    for (size_t s = 0, row = 0; s < sequences.size(); ++s)
      for (size_t t = 0; t < sequences[s].ids.size(); ++t, ++row)
        for (int64_t v = 0; v < vocab; ++v)
          ASSERT_NEAR(
              logits.view().row<float>(static_cast<int64_t>(row))[v],
              wanted[(static_cast<int64_t>(s) * length + static_cast<int64_t>(t)) * vocab + v],
              bound)
              << name << " sequence " << s << " token " << t << " logit " << v;
    const StoredTensor* loss = golden_->find(std::string(name) + ".loss");
    if (loss == nullptr) continue;
    LossSum total;
    const auto loss_pass = [&](falconer::Run& run) {
      total = session->decoder().loss(run, buffer.batch());
    };
    session->reserve(loss_pass);
    loss_pass(session->run());
    const double expected = *reinterpret_cast<const float*>(loss->bytes.data());
    EXPECT_NEAR(total.sum / static_cast<double>(total.count), expected, 2e-5 * expected);
  }
}

// bf16 keeps 8 bits of every activation: the mean of a batch's losses moves by less than a hundredth.
TEST_P(GoldenModel, Bf16LossIsNear) {
  const auto session = Session::open(
      {.checkpoint = folder_.string(), .precision = Precision::kBF16, .device = device()});
  for (const char* name : {"b0", "b1", "b2", "b3"}) {
    const StoredTensor* loss = golden_->find(std::string(name) + ".loss");
    if (loss == nullptr) continue;
    const GoldenBatch batch(*golden_, name);
    const auto sequences = batch.sequences();
    const BatchBuffer buffer = BatchBuffer::for_training(sequences);
    LossSum total;
    const auto pass = [&](falconer::Run& run) {
      total = session->decoder().loss(run, buffer.batch());
    };
    session->reserve(pass);
    pass(session->run());
    const double expected = *reinterpret_cast<const float*>(loss->bytes.data());
    EXPECT_NEAR(total.sum / static_cast<double>(total.count), expected, 0.01 * expected);
  }
}

TEST_P(GoldenModel, GradientsAgree) {
  MethodOptions full;
  full.method = "full";
  const auto session = Session::open({.checkpoint = folder_.string(),
                                      .method = full,
                                      .precision = Precision::kF32,
                                      .training = true,
                                      .device = device()});
  const GoldenBatch batch(*golden_, "b1");
  const auto sequences = batch.sequences();
  const BatchBuffer buffer = BatchBuffer::for_training(sequences);
  const float scale = 1.0f / static_cast<float>(buffer.batch().target_count());
  const auto pass = [&](falconer::Run& run) {
    run.training = true;
    session->decoder().train(run, buffer.batch(), scale);
  };
  session->reserve(pass);
  pass(session->run());
  int compared = 0;
  for (const Param* param : session->method()->params()) {
    std::string name = "grad." + param->name;
    if (golden_->find(name) == nullptr && param->name == "embed_out.weight")
      name = "grad.lm_head.weight";
    const StoredTensor* want = golden_->find(name);
    ASSERT_NE(want, nullptr) << name;
    const float* wanted = reinterpret_cast<const float*>(want->bytes.data());
    const double most = largest(wanted, want->size());
    const double bound = most > 1e-6 ? 1e-4 * most : 1e-6;
    const std::vector<float> got = host_values(param->grad);
    for (int64_t i = 0; i < want->size(); ++i)
      ASSERT_NEAR(got[static_cast<size_t>(i)], wanted[i], bound) << param->name << " element " << i;
    ++compared;
  }
  EXPECT_GT(compared, 10);
}

INSTANTIATE_TEST_SUITE_P(All, GoldenModel,
                         testing::Combine(testing::Values("falcon7b-tiny-h4", "falcon7b-tiny-h7",
                                                          "falcon7b-tiny-h4-untied",
                                                          "falcon40b-tiny", "falconrw-tiny",
                                                          "gptneox-tiny"),
                                          testing::Values("cpu", "emulated", "cuda")),
                         [](const auto& test) {
                           std::string name =
                               std::string(std::get<0>(test.param)) + "_" + std::get<1>(test.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace falconer
