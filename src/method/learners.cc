#include "method/learners.h"

#include <cmath>

#include "ops/optimizer.h"
#include "ops/residual.h"

namespace falconer {
namespace {

View flat(const View& view) { return view.reshape(1, view.size()); }

// Its gradient is there between the layers, and is summed over the ranks once a step.
bool sent_by_step(const Param& param) { return static_cast<bool>(param.grad); }

template <class T>
T* at(const View& whole, const Band& band) {
  return reinterpret_cast<T*>(flat(whole).at(0, band.first));
}

}  // namespace

Learners::Learners(const std::vector<Param*>& params, const Division& division, Ranks* ranks,
                   TensorRanks* tensors, Arena& fixed)
    : params_(params), ranks_(ranks), tensors_(tensors) {
  for (size_t i = 0; i < params.size(); ++i) {
    Param& param = *params[i];
    FALCONER_CHECK(param.learns);
    if (!division.many()) {
      all_.push_back({&param, i, param.value, param.grad, 0});
      continue;
    }
    if (sent_by_step(param)) {
      param.division = division;
      param.own_grad = fixed.push(1, param.own_count(), Dtype::kF32);
      if (!division.optimizer()) param.whole_grad = param.grad;
    }
    if (!division.optimizer()) {
      all_.push_back({&param, i, flat(param.value), flat(param.whole_grad), 0});
      continue;
    }
    for (const Band& band : param.bands())
      all_.push_back(
          {&param, i, param.own_value_of(band), param.own_grad_of(band), band.first + band.begin});
  }
}

void Learners::zero_gradients(Run& run) const {
  for (const Param* param : params_)
    for (const View& view : {param->grad, param->own_grad, param->whole_grad})
      if (view) set_zero(run, view);
}

void Learners::finish_gradients(Run& run) const {
  if (ranks_ == nullptr) return;
  TensorRanks::Ticket last = 0;
  for (const Param* param : params_)
    if (sent_by_step(*param))
      for (const Band& band : param->bands())
        last = tensors_->reduce(at<const float>(param->grad, band), band.pieces,
                                static_cast<float*>(param->own_grad_of(band).data));
  tensors_->wait(last);
  for (const Param* param : params_) {
    if (!param->whole_grad) continue;
    for (const Band& band : param->bands()) {
      if (sent_by_step(*param))
        copy(run, param->own_grad_of(band), piece_of(param->whole_grad, band));
      last = tensors_->gather(at<float>(param->whole_grad, band), band.pieces, sizeof(float));
    }
  }
  tensors_->wait(last);
}

// Piece by piece wherever the whole is at hand too: the same sum whatever is divided.
double Learners::gradient_norm(Run& run) const {
  double sum = 0;
  if (ranks_ == nullptr) {
    for (const Learner& learner : all_) sum += sum_of_squares(run, learner.grad);
    return std::sqrt(sum);
  }
  std::vector<double> squares;
  for (const Param* param : params_)
    for (const Band& band : param->bands())
      squares.push_back(sum_of_squares(run, param->own_grad_of(band)));
  const std::vector<double> everyones = ranks_->gather_numbers(squares);
  for (size_t i = 0; i < squares.size(); ++i)
    for (size_t k = i; k < everyones.size(); k += squares.size()) sum += everyones[k];
  return std::sqrt(sum);
}

void Learners::share_values() const {
  if (ranks_ == nullptr) return;
  TensorRanks::Ticket last = 0;
  for (const Param* param : params_)
    if (param->division.optimizer() && param->value)
      for (const Band& band : param->bands())
        last = tensors_->gather(at<std::byte>(param->value, band), band.pieces,
                                size_of(param->value.dtype));
  tensors_->wait(last);
}

Traffic Learners::sent_in_step() const {
  Traffic sent;
  for (const Param* param : params_) {
    const int rank = param->division.rank;
    if (!param->division.many()) continue;
    for (const Band& band : param->bands()) {
      if (sent_by_step(*param)) sent.gradients += sent_to_reduce(band.pieces, rank);
      if (param->whole_grad)
        sent.whole_gradients += sent_to_gather(band.pieces, rank, sizeof(float));
      if (param->division.optimizer() && param->value)
        sent.values += sent_to_gather(band.pieces, rank, size_of(param->value.dtype));
    }
  }
  return sent;
}

}  // namespace falconer
