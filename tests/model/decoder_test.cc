// The decoder against the numbers of transformers: logits, losses and every gradient, on every
// golden model.
#include <gtest/gtest.h>

#include <cmath>

#include "method/session.h"
#include "model/arch/architecture.h"
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
    const fs::path folder = fs::path("models") / model();
    SKIP_WITHOUT_GOLDEN(folder);
    if (!test::has_device(device())) GTEST_SKIP() << "no " << device() << " device is here";
    folder_ = test::golden(folder);
    golden_ = std::make_unique<TensorFiles>(
        TensorFiles::open_file(test::golden(fs::path("goldens") / model()) / "golden.safetensors"));
  }

  const char* model() const { return std::get<0>(GetParam()); }
  std::string device() const { return std::get<1>(GetParam()); }

  fs::path folder_;
  std::unique_ptr<TensorFiles> golden_;
};

/// The logits of the first sequences of a batch, as many as the golden has.
void expect_logits(const char* name, Session& session, const Batch& batch,
                   const std::vector<BatchBuffer::Sequence>& sequences, const StoredTensor& want) {
  const float* wanted = reinterpret_cast<const float*>(want.bytes.data());
  const int64_t length = want.shape[1], vocab = want.shape[2], n = batch.tokens();
  Tensor rows(1, n, Dtype::kI32), logits(n, vocab, Dtype::kF32);
  for (int64_t i = 0; i < n; ++i) rows.view().row<int32_t>(0)[i] = static_cast<int32_t>(i);
  const auto pass = [&](falconer::Run& run) {
    session.decoder().logits(run, batch, rows.view(), logits.view());
  };
  session.reserve(pass);
  pass(session.run());
  const double bound = 3e-5 * largest(wanted, want.size());
  int64_t row = 0;
  for (int64_t s = 0; s < want.shape[0]; ++s)
    for (int64_t t = 0; t < std::ssize(sequences[static_cast<size_t>(s)].ids); ++t, ++row)
      for (int64_t v = 0; v < vocab; ++v)
        ASSERT_NEAR(logits.view().row<float>(row)[v], wanted[(s * length + t) * vocab + v], bound)
            << name << " sequence " << s << " token " << t << " logit " << v;
}

TEST_P(GoldenModel, LogitsAndLossAgree) {
  const auto session = Session::open(
      {.checkpoint = folder_.string(), .precision = Precision::kF32, .device = device()});
  for (const char* name : {"b0", "b1", "b2", "b3"}) {
    const GoldenBatch batch(*golden_, name);
    const auto sequences = batch.sequences();
    const BatchBuffer buffer = BatchBuffer::for_training(sequences);
    const StoredTensor* want = golden_->find(std::string(name) + ".logits");
    if (want != nullptr) expect_logits(name, *session, buffer.batch(), sequences, *want);
    if (HasFatalFailure()) return;
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

// What the last hidden state gives with the head are the logits; of one model of each kind of block, all are
// output_hidden_states of transformers.
TEST_P(GoldenModel, HiddenStatesAgree) {
  const fs::path file = test::golden(fs::path("goldens") / model() / "hidden_states.safetensors");
  const auto golden = fs::exists(file) ? std::optional(TensorFiles::open_file(file)) : std::nullopt;
  const std::vector<int32_t> ids =
      golden ? ids_of(*golden->find("input_ids")) : std::vector<int32_t>{5, 17, 3, 42, 8};
  const auto session = Session::open(
      {.checkpoint = folder_.string(), .precision = Precision::kF32, .device = device()});
  const ModelConfig& config = session->config();
  const auto n = static_cast<int64_t>(ids.size());
  const BatchBuffer::Sequence row{.ids = ids, .labels = {}};
  const BatchBuffer buffer = BatchBuffer::for_training({&row, 1});
  Tensor states((config.layers + 1) * n, config.width, Dtype::kF32);
  Tensor rows(1, n, Dtype::kI32), logits(n, config.vocab, Dtype::kF32);
  for (int64_t i = 0; i < n; ++i) rows.view().row<int32_t>(0)[i] = static_cast<int32_t>(i);
  const auto pass = [&](falconer::Run& run) {
    session->decoder().hidden_states(run, buffer.batch(), states.view());
    session->decoder().logits(run, buffer.batch(), rows.view(), logits.view());
  };
  session->reserve(pass);
  pass(session->run());
  const float* got = states.view().row<float>(0);
  if (golden) {
    const StoredTensor& want = *golden->find("hidden_states");
    ASSERT_EQ(want.shape, (std::vector<int64_t>{config.layers + 1, n, config.width}));
    const float* wanted = reinterpret_cast<const float*>(want.bytes.data());
    const double bound = 2e-5 * std::max(1.0, largest(wanted, want.size()));
    for (int64_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got[i], wanted[i], bound) << "state " << i / (n * config.width);
  }
  const std::vector<float> head = host_values(session->weights().head().w->value);
  const float* last = got + config.layers * n * config.width;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t v = 0; v < config.vocab; ++v) {
      double sum = 0;
      for (int64_t c = 0; c < config.width; ++c)
        sum += static_cast<double>(last[i * config.width + c]) *
               static_cast<double>(head[static_cast<size_t>(v * config.width + c)]);
      sum *= config.logit_scale;
      if (config.logit_cap > 0) sum = config.logit_cap * std::tanh(sum / config.logit_cap);
      ASSERT_NEAR(logits.view().row<float>(i)[v], sum, 2e-4) << "token " << i << " logit " << v;
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

/// A gradient of (rows, cols). The repository's goldens have of large ones every fifth row, the sums of
/// all rows and columns, and the largest number (tests/golden/make_data).
void expect_gradient(const TensorFiles& golden, const std::string& name, std::span<const float> got,
                     int64_t cols) {
  const auto doubles = [&](const char* what) {
    const StoredTensor* found = golden.find(name + what);
    return found != nullptr ? reinterpret_cast<const double*>(found->bytes.data()) : nullptr;
  };
  const StoredTensor& want = *golden.find(name);
  const float* wanted = reinterpret_cast<const float*>(want.bytes.data());
  const double *row_sums = doubles(".row_sums"), *column_sums = doubles(".column_sums");
  const int64_t rows = std::ssize(got) / cols, stride = row_sums != nullptr ? 5 : 1;
  ASSERT_EQ(want.rows(), (rows + stride - 1) / stride) << name;
  const double most = row_sums != nullptr ? *doubles(".largest") : largest(wanted, want.size());
  const double bound = most > 1e-6 ? 1e-4 * most : 1e-6;
  for (int64_t i = 0; i < rows; i += stride)
    for (int64_t j = 0; j < cols; ++j)
      ASSERT_NEAR(got[static_cast<size_t>(i * cols + j)], wanted[i / stride * cols + j], bound)
          << name << " at " << i << "," << j;
  if (row_sums == nullptr) return;
  std::vector<double> of_columns(static_cast<size_t>(cols));
  for (int64_t i = 0; i < rows; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < cols; ++j) {
      const double x = got[static_cast<size_t>(i * cols + j)];
      sum += x;
      of_columns[static_cast<size_t>(j)] += x;
    }
    ASSERT_NEAR(sum, row_sums[i], bound * std::sqrt(cols)) << name << " row " << i;
  }
  for (int64_t j = 0; j < cols; ++j)
    ASSERT_NEAR(of_columns[static_cast<size_t>(j)], column_sums[j], bound * std::sqrt(rows))
        << name << " column " << j;
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
    if (golden_->find(name) == nullptr)
      name = "grad." + name_in_files(session->config(), param->name);
    ASSERT_NE(golden_->find(name), nullptr) << name;
    ASSERT_NO_FATAL_FAILURE(
        expect_gradient(*golden_, name, host_values(param->grad), param->cols()));
    ++compared;
  }
  EXPECT_GT(compared, 10);
}

INSTANTIATE_TEST_SUITE_P(
    All, GoldenModel,
    testing::Combine(testing::Values("falcon7b-tiny-h4", "falcon7b-tiny-h7",
                                     "falcon7b-tiny-h4-untied", "falcon40b-tiny", "falconrw-tiny",
                                     "gptneox-tiny", "falcon3-tiny", "gemma2-tiny", "olmo2-tiny",
                                     "phi3-tiny", "qwen3-tiny", "falcon_h1-tiny-grouped"),
                     testing::Values("cpu", "emulated", "cuda")),
    [](const auto& test) {
      std::string name = std::string(std::get<0>(test.param)) + "_" + std::get<1>(test.param);
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

}  // namespace
}  // namespace falconer
