#include "model/divided_weights.h"

#include <algorithm>
#include <cstring>

#include "ops/residual.h"

namespace falconer {
namespace {

constexpr size_t kAligned = 64;

size_t aligned(size_t bytes) { return (bytes + kAligned - 1) / kAligned * kAligned; }

size_t value_bytes(const Param& param) {
  return aligned(static_cast<size_t>(param.size()) * size_of(param.own_value.dtype));
}
size_t gradient_bytes(const Param& param) {
  return aligned(static_cast<size_t>(param.size()) * sizeof(float));
}

// Vectors are small, and every rank has them.
bool comes_and_goes(const Param& param) {
  return !param.vector() && param.division.many() && (param.own_value || param.learns);
}

View whole_at(const View& memory, size_t at, const Param& param, Dtype dtype) {
  return {memory.at(0, static_cast<int64_t>(at)),
          param.rows(),
          param.cols(),
          param.cols(),
          dtype,
          memory.device};
}

}  // namespace

bool DividedVisits::needed(const Weights& weights) {
  return std::any_of(weights.params.begin(), weights.params.end(),
                     [](const auto& param) { return comes_and_goes(*param); });
}

DividedVisits::DividedVisits(const Weights& weights, Ranks* ranks, Arena& fixed)
    : ranks_(ranks), tied_(weights.head().w == weights.embedding) {
  for (const auto& param : weights.params) {
    int64_t at = param->layer;
    if (at == ModuleId::kOutside) at = param.get() == weights.embedding ? kAtEmbedding : kAtHead;
    if (!comes_and_goes(*param)) continue;
    if (param->own_value) groups_[at].values.push_back(param.get());
    if (param->learns) groups_[at].gradients.push_back(param.get());
  }
  size_t most_values = 0, most_gradients = 0;
  for (const auto& [at, group] : groups_) {
    size_t values = 0, gradients = 0;
    for (const Param* param : group.values) values += value_bytes(*param);
    for (const Param* param : group.gradients) gradients += gradient_bytes(*param);
    most_values = std::max(most_values, values);
    most_gradients = std::max(most_gradients, gradients);
  }
  for (Place& place : values_)
    place.memory = fixed.push(1, static_cast<int64_t>(most_values), Dtype::kU8);
  for (Place& place : gradients_)
    place.memory = fixed.push(1, static_cast<int64_t>(most_gradients), Dtype::kU8);
}

void DividedVisits::show_values(const Place& place, const Group& group, bool shown) const {
  size_t at = 0;
  for (Param* param : group.values) {
    param->value = shown ? whole_at(place.memory, at, *param, param->own_value.dtype) : View{};
    at += value_bytes(*param);
  }
}

// Where a group's values are, or soon will be: of the two places, that which nothing uses now.
DividedVisits::Place& DividedVisits::gathered(Run& run, int64_t at) {
  if (run.dry) return values_[0];
  for (Place& place : values_)
    if (place.holds == at) return place;
  if (values_[value_turn_].holds == now_ && now_ != kNowhere) value_turn_ ^= 1;
  Place& place = values_[value_turn_];
  value_turn_ ^= 1;
  place.holds = at;
  ranks_->wait(place.ticket);  // of what nobody came for
  size_t offset = 0;
  for (const Param* param : groups_.at(at).values) {
    const View whole = whole_at(place.memory, offset, *param, param->own_value.dtype);
    const View own =
        whole.reshape(1, whole.size()).col_range(param->own_begin(), param->own_count());
    if (param->own_count() > 0) std::memcpy(own.data, param->own_value.data, own.bytes());
    place.ticket = ranks_->gather(whole.data, param->pieces(), size_of(whole.dtype));
    offset += value_bytes(*param);
  }
  return place;
}

void DividedVisits::arrive(Run& run, int64_t at, int64_t next, VisitFor use) {
  at = named(at);
  next = named(next);
  const auto found = groups_.find(at);
  if (found == groups_.end()) return;
  const Group& group = found->second;
  if (use != VisitFor::kGradients && !group.values.empty()) {
    Place& place = gathered(run, at);
    now_ = at;
    const auto after = groups_.find(next);
    if (next != at && after != groups_.end() && !after->second.values.empty()) gathered(run, next);
    if (!run.dry) ranks_->wait(place.ticket);
    show_values(place, group, true);
  }
  if (use == VisitFor::kForward || group.gradients.empty()) return;
  Place& place = gradients_[gradient_turn_];
  if (!run.dry) ranks_->wait(place.ticket);
  size_t offset = 0;
  for (Param* param : group.gradients) {
    param->grad = whole_at(place.memory, offset, *param, Dtype::kF32);
    set_zero(run, param->grad);
    offset += gradient_bytes(*param);
  }
}

void DividedVisits::leave(Run& run, int64_t at, VisitFor use) {
  at = named(at);
  const auto found = groups_.find(at);
  if (found == groups_.end()) return;
  const Group& group = found->second;
  if (use != VisitFor::kGradients && !group.values.empty()) {
    show_values({}, group, false);
    now_ = kNowhere;
  }
  if (use == VisitFor::kForward || group.gradients.empty()) return;
  Place& place = gradients_[gradient_turn_];
  gradient_turn_ ^= 1;
  for (Param* param : group.gradients) {
    if (!run.dry)
      place.ticket = ranks_->reduce(static_cast<const float*>(param->grad.data), param->pieces(),
                                    static_cast<float*>(param->own_grad.data));
    param->grad = {};
  }
}

void DividedVisits::values_changed() {
  for (Place& place : values_) place.holds = kNowhere;
}

void DividedVisits::wait() {
  for (const Place& place : gradients_) ranks_->wait(place.ticket);
}

}  // namespace falconer
