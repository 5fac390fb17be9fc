#include "model/divided_weights.h"

#include <algorithm>

#include "ops/residual.h"

namespace falconer {
namespace {

// Vectors are small, and every rank has them.
bool values_come(const Param& param) {
  return !param.vector() && param.division.many() && param.own_value;
}
bool gradients_go(const Param& param) {
  return !param.vector() && param.division.many() && param.learns;
}

int64_t largest_band(const Param& param) {
  const std::vector<Band> bands = param.bands();
  return bands.empty() ? 0 : bands.front().rows * param.cols();
}

View band_in(const View& memory, const Param& param, const Band& band, Dtype dtype) {
  return {memory.data, band.rows, param.cols(), param.cols(), dtype, memory.device};
}

}  // namespace

bool DividedVisits::needed(const Weights& weights) {
  return std::any_of(weights.params.begin(), weights.params.end(),
                     [](const auto& param) { return values_come(*param) || gradients_go(*param); });
}

DividedVisits::DividedVisits(const Weights& weights, TensorRanks* ranks, Arena& fixed)
    : ranks_(ranks) {
  int64_t values = 0, gradients = 0;
  for (const auto& param : weights.params) {
    if (values_come(*param))
      values = std::max(
          values, largest_band(*param) * static_cast<int64_t>(size_of(param->own_value.dtype)));
    if (gradients_go(*param)) gradients = std::max(gradients, largest_band(*param));
  }
  for (Place& place : values_) place.memory = fixed.push(1, values, Dtype::kU8);
  for (Place& place : gradients_) place.memory = fixed.push(1, gradients, Dtype::kF32);
}

void DividedVisits::arrive(Run&, int64_t at, int64_t) { at_ = at; }
void DividedVisits::leave(Run&, int64_t) { at_ = kNowhere; }

// Where values are, or soon will be.
DividedVisits::Place& DividedVisits::gathered(Run& run, const Wanted& wanted) {
  for (Place& place : values_)
    if (place.holds.same_values(wanted)) return place;
  Place& place = values_[1 - used_];
  place.holds = wanted;
  const Band& band = wanted.band;
  const View own = wanted.param->own_value_of(band);
  const size_t element = size_of(own.dtype);
  sent_.weights += sent_to_gather(band.pieces, wanted.param->division.rank, element);
  if (ranks_ == nullptr) return place;
  ranks_->wait(place.ticket);  // of what nobody came for
  if (band.count > 0) {
    const View whole = band_in(place.memory, *wanted.param, band, own.dtype);
    const View piece = whole.reshape(1, whole.size()).col_range(band.begin, band.count);
    own.device != nullptr ? copy(run, own, piece) : copy_converted(own, piece);
  }
  place.ticket = ranks_->gather(place.memory.data, band.pieces, element);
  return place;
}

// What is wanted after this, as far as is known.
DividedVisits::Wanted DividedVisits::after(const Wanted& wanted) {
  if (last_.param != nullptr) order_[last_] = wanted;
  last_ = wanted;
  const auto next = order_.find(wanted);
  return next == order_.end() ? Wanted{} : next->second;
}

BandViews DividedVisits::arrive(Run& run, const Param& param, const Band& band, VisitFor use) {
  BandViews views = BandVisit::of_whole(param, band);
  const bool reads = use != VisitFor::kGradients && values_come(param);
  if (measures(run)) {
    if (reads) views.value = band_in(values_[0].memory, param, band, param.own_value.dtype);
  } else if (reads) {
    const Wanted wanted{&param, band, at_, use};
    Place& place = gathered(run, wanted);
    used_ = static_cast<size_t>(&place - values_.data());
    const Wanted next = after(wanted);
    if (next.param != nullptr && !next.same_values(wanted)) gathered(run, next);
    if (!run.dry) ranks_->wait(place.ticket);
    views.value = band_in(place.memory, param, band, param.own_value.dtype);
  }
  if (use == VisitFor::kForward || !gradients_go(param)) return views;
  Place& place = gradients_[gradient_turn_];
  if (!run.dry) ranks_->wait(place.ticket);
  views.grad = band_in(place.memory, param, band, Dtype::kF32);
  set_zero(run, views.grad);
  return views;
}

void DividedVisits::leave(Run& run, const Param& param, const Band& band, VisitFor use) {
  if (use == VisitFor::kForward || !gradients_go(param) || measures(run)) return;
  Place& place = gradients_[gradient_turn_];
  gradient_turn_ ^= 1;
  sent_.gradients += sent_to_reduce(band.pieces, param.division.rank);
  if (run.dry) return;
  place.ticket = ranks_->reduce(static_cast<const float*>(place.memory.data), band.pieces,
                                static_cast<float*>(param.own_grad_of(band).data));
}

void DividedVisits::values_changed() {
  for (Place& place : values_) place.holds = {};
}

void DividedVisits::wait() {
  for (const Place& place : gradients_) ranks_->wait(place.ticket);
}

}  // namespace falconer
