#include "model/weight_pages.h"

#include <algorithm>
#include <map>

#include "base/file.h"

namespace falconer {
namespace {

std::span<const std::byte> pages_of(const Param& param) {
  if (!param.mapped) return {};
  return {static_cast<const std::byte*>(param.value.data), param.value.bytes()};
}

template <class F>
void for_matrices(const Weights& weights, int64_t layer, const F& f) {
  for (const auto& param : weights.params)
    if (param->layer == layer && !param->vector()) f(*param);
}

}  // namespace

void PageVisits::arrive(Run& run, int64_t, int64_t next) {
  if (run.dry || next < 0) return;
  for_matrices(weights_, next, [](const Param& param) { read_ahead(pages_of(param)); });
}

BandViews PageVisits::arrive(Run&, const Param& param, const Band& band, VisitFor) {
  return BandVisit::of_whole(param, band);
}

void PageVisits::leave(Run& run, int64_t at) {
  if (run.dry) return;
  if (at == kAtEmbedding) return forget(*weights_.embedding);
  if (at == kAtHead) return forget(*weights_.head().w);
  for_matrices(weights_, at, [](const Param& param) { forget(param); });
}

void forget(const Param& param) { forget_pages(pages_of(param)); }

size_t largest_resident(const Weights& weights) {
  std::map<int64_t, size_t> bytes;  // of each layer's; what stands outside of them is used alone
  size_t most = 0;
  for (const auto& param : weights.params) {
    if (param->vector()) continue;
    const size_t own = pages_of(*param).size();
    size_t& sum = bytes[param->layer];
    sum = param->layer == ModuleId::kOutside ? own : sum + own;
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace falconer
