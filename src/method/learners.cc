#include "method/learners.h"

#include <cmath>

#include "ops/optimizer.h"
#include "ops/residual.h"

namespace falconer {
namespace {

View flat(const View& view) { return view.reshape(1, view.size()); }

View own_of(const Param& param, const View& whole) {
  return flat(whole).col_range(param.own_begin(), param.own_count());
}

// Its gradient is there between the layers, and is summed over the ranks once a step.
bool sent_by_step(const Param& param) { return static_cast<bool>(param.grad); }

}  // namespace

Learners::Learners(const std::vector<Param*>& params, const Division& division, Ranks* ranks,
                   Arena& fixed)
    : ranks_(ranks) {
  for (Param* param : params) {
    if (!param->learns) continue;
    if (!division.many()) {
      all_.push_back({param, param->value, param->grad, 0});
      continue;
    }
    if (sent_by_step(*param)) {
      param->division = division;
      param->own_grad = fixed.push(1, param->own_count(), Dtype::kF32);
      if (!division.optimizer()) param->whole_grad = param->grad;
    }
    if (!division.optimizer())
      all_.push_back({param, flat(param->value), flat(param->whole_grad), 0});
    else
      all_.push_back({param, param->own_value ? param->own_value : own_of(*param, param->value),
                      param->own_grad, param->own_begin()});
  }
}

void Learners::zero_gradients(Run& run) const {
  for (const Learner& learner : all_) {
    const Param& param = *learner.param;
    for (const View& view : {param.grad, param.own_grad, param.whole_grad})
      if (view) set_zero(run, view);
  }
}

void Learners::finish_gradients(Run& run) const {
  if (ranks_ == nullptr) return;
  Ranks::Ticket last = 0;
  for (const Learner& learner : all_)
    if (const Param& param = *learner.param; sent_by_step(param))
      last = ranks_->reduce(static_cast<const float*>(param.grad.data), param.pieces(),
                            static_cast<float*>(param.own_grad.data));
  ranks_->wait(last);
  for (const Learner& learner : all_) {
    const Param& param = *learner.param;
    if (!param.whole_grad) continue;
    if (sent_by_step(param)) copy(run, param.own_grad, own_of(param, param.whole_grad));
    last = ranks_->gather(param.whole_grad.data, param.pieces(), sizeof(float));
  }
  ranks_->wait(last);
}

// Piece by piece wherever the whole is at hand too: the same sum whatever is divided.
double Learners::gradient_norm(Run& run) const {
  std::vector<double> squares;
  for (const Learner& learner : all_) {
    const Param& param = *learner.param;
    squares.push_back(sum_of_squares(run, ranks_ == nullptr  ? learner.grad
                                          : param.whole_grad ? own_of(param, param.whole_grad)
                                                             : param.own_grad));
  }
  double sum = 0;
  if (ranks_ == nullptr) {
    for (const double square : squares) sum += square;
    return std::sqrt(sum);
  }
  const std::vector<double> everyones = ranks_->gather_numbers(squares);
  for (size_t i = 0; i < squares.size(); ++i)
    for (size_t at = i; at < everyones.size(); at += squares.size()) sum += everyones[at];
  return std::sqrt(sum);
}

void Learners::share_values() const {
  if (ranks_ == nullptr) return;
  Ranks::Ticket last = 0;
  for (const Learner& learner : all_) {
    const Param& param = *learner.param;
    if (!param.division.optimizer() || !param.value) continue;
    last = ranks_->gather(param.value.data, param.pieces(), size_of(param.value.dtype));
  }
  ranks_->wait(last);
}

}  // namespace falconer
