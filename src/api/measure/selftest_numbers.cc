#include "api/measure/selftest_numbers.h"

#include <cmath>

#include "base/random.h"
#include "generate/generator.h"
#include "train/optimizer.h"

namespace falconer {
namespace {

constexpr int64_t kSums = 4;

std::vector<int32_t> random_ids(uint32_t which, int64_t count) {
  const RandomStream random(kSelfTestSeed, RandomPurpose::kTest, which);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i)
    ids.push_back(
        static_cast<int32_t>(1 + random.below(static_cast<uint64_t>(i),
                                              static_cast<uint64_t>(self_test_model().vocab) - 1)));
  return ids;
}

/// Two rows of lengths that fill no vector, each with a prompt that is not learned.
BatchBuffer make_batch() {
  constexpr size_t kPrompt = 5;
  const std::vector<int32_t> rows[] = {random_ids(0, 13), random_ids(1, 9)};
  std::vector<int32_t> labels[] = {rows[0], rows[1]};
  for (auto& row : labels) std::fill_n(row.begin(), kPrompt, -100);
  const BatchBuffer::Sequence sequences[] = {{rows[0], labels[0]}, {rows[1], labels[1]}};
  return BatchBuffer::for_training(sequences);
}

/// Sums of all values with signs drawn at random, by the root of their count: each value that is
/// wrong shows in every sum, and roundings do not add up.
class SignedSums {
 public:
  void add(const std::vector<float>& values) {
    for (const float value : values) {
      const uint32_t signs = RandomStream(kSelfTestSeed, RandomPurpose::kTest, 9).word(count_++);
      for (int64_t k = 0; k < kSums; ++k)
        sums_[k] += (signs >> k & 1) != 0 ? double{value} : -double{value};
      squares_ += double{value} * double{value};
    }
  }
  double norm() const { return std::sqrt(squares_); }
  std::vector<double> values() const { return {sums_, sums_ + kSums}; }

 private:
  double sums_[kSums] = {}, squares_ = 0;
  uint64_t count_ = 0;
};

class Measuring {
 public:
  Measuring(const SelfTestBackend& backend, Precision precision)
      : backend_(backend), precision_(precision) {}

  std::vector<SelfTestNumbers> all() {
    forward();
    for (const std::string& method : method_names()) train(method);
    return std::move(made_);
  }

 private:
  SessionOptions options() const {
    SessionOptions made;
    made.precision = precision_;
    made.from_scratch = true;
    made.config = self_test_model();
    made.seed = kSelfTestSeed;
    made.device = backend_.device;
    made.kernels = backend_.kernels;
    return made;
  }

  void forward() {
    const auto session = Session::open(options());
    LossSum loss;
    const auto pass = [&](Run& run) { loss = session->decoder().loss(run, batch_.batch()); };
    session->reserve(pass);
    pass(session->run());
    made_.push_back({"loss", {loss.sum / static_cast<double>(loss.count)}});
    add_logits(*session);
    Generator generator(*session, nullptr);
    GenerateOptions greedy;
    greedy.max_new_tokens = 12;
    greedy.sampling.temperature = 0;
    greedy.ignore_eos = true;
    const Answer answer = generator.generate({random_ids(2, 7)}, greedy).front();
    made_.push_back({"greedy ids", {answer.ids.begin(), answer.ids.end()}, true});
  }

  void add_logits(Session& session) {
    const int64_t n = batch_.batch().tokens(), vocab = session.config().vocab;
    Tensor rows(1, n, Dtype::kI32), logits(n, vocab, Dtype::kF32);
    for (int64_t i = 0; i < n; ++i) rows.view().row<int32_t>(0)[i] = static_cast<int32_t>(i);
    const auto pass = [&](Run& run) {
      session.decoder().logits(run, batch_.batch(), rows.view(), logits.view());
    };
    session.reserve(pass);
    pass(session.run());
    const std::vector<float> values = host_values(logits.view());
    SignedSums sums;
    sums.add(values);
    made_.push_back({"last logits", {values.end() - 8, values.end()}});
    made_.push_back({"sums of logits", sums.values()});
  }

  /// The first step moves what begins at zero; the gradients of the second reach every tensor.
  void train(const std::string& method) {
    SessionOptions o = options();
    o.method = MethodOptions{.method = method,
                             .lora_r = 4,
                             .lora_dropout = 0.1,
                             .lora_targets = {"all-linear"},
                             .adapter_length = 5,
                             .adapter_start_layer = 0};
    o.training = true;
    o.optimizer = optimizer_memory(OptimizerKind::kAdamW);
    const auto session = Session::open(o);
    Run& run = session->run();
    // A large eps keeps AdamW from making steps of gradients that are noise.
    const OptimizerOptions settings{.weight_decay = 0.1, .eps = 1e-2};
    const Optimizer optimizer(settings, session->learners(), session->optimizer_state());
    const float scale = 1.0f / static_cast<float>(batch_.batch().target_count());
    std::vector<double> losses, norms;
    SignedSums gradients;
    for (int64_t step = 1; step <= 3; ++step) {
      LossSum loss;
      const auto pass = [&](Run& on) {
        on.training = true;
        loss = session->decoder().train(on, batch_.batch(), scale);
      };
      session->reserve(pass);
      session->learners().zero_gradients(run);
      run.seed = kSelfTestSeed;
      run.step = static_cast<uint32_t>(step);
      pass(run);
      losses.push_back(loss.sum / static_cast<double>(loss.count));
      norms.push_back(session->learners().gradient_norm(run));
      if (step == 2)
        for (const Param* param : session->method()->params())
          gradients.add(host_values(param->grad));
      optimizer.step(run, step, 0.05, 1);
    }
    made_.push_back({method + ": losses", losses});
    made_.push_back({method + ": gradient norms", norms});
    std::vector<double> sums = gradients.values();
    sums.push_back(gradients.norm());
    made_.push_back({method + ": gradients", std::move(sums)});
  }

  const SelfTestBackend& backend_;
  Precision precision_;
  const BatchBuffer batch_ = make_batch();
  std::vector<SelfTestNumbers> made_;
};

}  // namespace

ModelConfig self_test_model() {
  ModelConfig config;
  config.family = "falcon";
  config.layers = 2;
  config.width = 48;
  config.heads = 3;
  config.groups = 1;
  config.head_size = config.rope_dims = 16;
  config.mlp_width = 192;
  config.vocab = 101;
  config.context = 64;
  config.init_std = 0.15;
  config.eos_ids = {0};
  return config;
}

std::vector<SelfTestNumbers> self_test_numbers(const SelfTestBackend& backend,
                                               Precision precision) {
  return Measuring(backend, precision).all();
}

double self_test_tolerance(Precision precision) {
  return precision == Precision::kF32 ? 1e-4 : 5e-2;
}

double largest_difference(const std::vector<SelfTestNumbers>& got,
                          const std::vector<SelfTestNumbers>& want, std::string& worst) {
  constexpr double kFar = 1e9;
  double most = 0;
  if (got.size() != want.size()) return kFar;
  for (size_t i = 0; i < got.size(); ++i) {
    double largest = 0, off = 0;
    bool broken = got[i].name != want[i].name || got[i].values.size() != want[i].values.size();
    for (size_t k = 0; !broken && k < want[i].values.size(); ++k) {
      largest = std::max(largest, std::abs(want[i].values[k]));
      off = std::max(off, std::abs(want[i].values[k] - got[i].values[k]));
      broken = !std::isfinite(got[i].values[k]);
    }
    const double share =
        broken || (want[i].exact && off > 0) ? kFar : off / std::max(largest, 1e-30);
    if (share < most || share == 0) continue;
    most = share;
    worst = want[i].name;
  }
  return most;
}

}  // namespace falconer
