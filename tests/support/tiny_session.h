// A method on a tiny model, in memory: what tests of gradients, caches and saved values share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "data/load.h"
#include "method/session.h"
#include "support/tiny_model.h"

namespace falconer::test {

/// Every method, LoRA with all that it can do.
inline std::vector<MethodOptions> all_methods() {
  MethodOptions lora, everything, adapter, adapter_v2, full;
  everything.lora_targets = {"all-linear", "head"};
  everything.lora_dora = everything.lora_rs = true;
  adapter.method = "adapter";
  adapter_v2.method = "adapter-v2";
  full.method = "full";
  return {lora, everything, adapter, adapter_v2, full};
}

inline std::string name_of(const MethodOptions& options) {
  return options.method + (options.lora_dora ? " (all that it can do)" : "");
}

inline std::unique_ptr<Session> open_training(const TinyRun& run, const MethodOptions& method,
                                              Precision precision = Precision::kF32) {
  return Session::open({.checkpoint = run.checkpoint,
                        .method = method,
                        .precision = precision,
                        .training = true,
                        .optimizer = {.moments = 2},
                        .seed = 3});
}

/// The rows that write_rows made.
inline std::vector<Row> rows_of(const TinyRun& run) {
  DataReport report;
  const auto store =
      load_rows(run.path("rows.jsonl"), nullptr, {.encode = {}, .vocab = 61}, report);
  std::vector<Row> rows;
  for (int64_t i = 0; i < store->size(); ++i) rows.push_back((*store)[i]);
  return rows;
}

inline BatchBuffer batch_of(const std::vector<Row>& rows) {
  std::vector<BatchBuffer::Sequence> sequences;
  for (const Row& row : rows) sequences.push_back({row.ids, row.labels});
  return BatchBuffer::for_training(sequences);
}

/// Sum of the losses of a batch, in the session's own mode (training or not).
inline LossSum loss_of(Session& session, const BatchBuffer& batch) {
  LossSum sum;
  const auto pass = [&](Run& run) { sum = session.decoder().loss(run, batch.batch()); };
  session.reserve(pass);
  pass(session.run());
  return sum;
}

inline void clear_gradients(Session& session) {
  for (const Param* param : session.method()->params())
    std::memset(param->grad.data, 0, param->grad.bytes());
}

/// The gradient of the mean loss of a batch, in the trainable tensors.
inline void find_gradients(Session& session, const BatchBuffer& batch) {
  clear_gradients(session);
  const float scale = 1.0f / static_cast<float>(batch.batch().target_count());
  const auto pass = [&](Run& run) { session.decoder().train(run, batch.batch(), scale); };
  session.reserve(pass);
  pass(session.run());
}

inline double norm_of(const View& view) {
  double sum = 0;
  for (int64_t i = 0; i < view.size(); ++i)
    sum += static_cast<double>(view.row<float>(0)[i]) * view.row<float>(0)[i];
  return std::sqrt(sum);
}

/// The mean loss with every number of `param` moved by `eps` along its own gradient's direction.
inline double moved_loss(Session& session, const BatchBuffer& batch, const Param& param,
                         double eps) {
  const double norm = norm_of(param.grad);
  const std::vector<float> before(param.value.row<float>(0),
                                  param.value.row<float>(0) + param.size());
  for (int64_t i = 0; i < param.size(); ++i)
    param.value.row<float>(0)[i] += static_cast<float>(eps * param.grad.row<float>(0)[i] / norm);
  const LossSum sum = loss_of(session, batch);
  std::copy(before.begin(), before.end(), param.value.row<float>(0));
  return sum.sum / static_cast<double>(sum.count);
}

/// Along its gradient a loss grows by the gradient's norm: central differences against that, for
/// every trainable tensor. A tenth of a percent of f32's noise in the loss is what eps leaves.
inline void expect_true_gradients(Session& session, const BatchBuffer& batch) {
  find_gradients(session, batch);
  for (const Param* param : session.method()->params()) {
    const double norm = norm_of(param->grad);
    ASSERT_GT(norm, 0) << param->name;
    const double eps = 0.02;
    const double slope =
        (moved_loss(session, batch, *param, eps) - moved_loss(session, batch, *param, -eps)) /
        (2 * eps);
    EXPECT_NEAR(slope, norm, 0.03 * norm + 2e-5) << param->name;
  }
}

/// A few large steps along the gradients, so that no trainable tensor stands at its first value.
inline void move_away(Session& session, const BatchBuffer& batch, int steps = 3) {
  for (int step = 0; step < steps; ++step) {
    find_gradients(session, batch);
    for (const Param* param : session.method()->params()) {
      const double norm = norm_of(param->grad);
      if (norm == 0) continue;
      const float factor = static_cast<float>(0.3 / norm);
      for (int64_t i = 0; i < param->size(); ++i)
        param->value.row<float>(0)[i] -= factor * param->grad.row<float>(0)[i];
    }
  }
}

/// Logits of every token of a batch.
inline Tensor logits_of(Session& session, const BatchBuffer& batch) {
  const int64_t n = batch.batch().tokens();
  Tensor rows(1, n, Dtype::kI32), logits(n, session.config().vocab, Dtype::kF32);
  for (int64_t i = 0; i < n; ++i) rows.view().row<int32_t>(0)[i] = static_cast<int32_t>(i);
  const auto pass = [&](Run& run) {
    session.decoder().logits(run, batch.batch(), rows.view(), logits.view());
  };
  session.reserve(pass);
  pass(session.run());
  return logits;
}

inline bool same_bytes(const View& a, const View& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data, b.data, a.bytes()) == 0;
}

inline double largest_difference(const View& a, const View& b) {
  double most = 0;
  for (int64_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::fabs(static_cast<double>(a.row<float>(0)[i]) - b.row<float>(0)[i]));
  return most;
}

}  // namespace falconer::test
