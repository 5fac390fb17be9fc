#include "train/whole_tensors.h"

#include <algorithm>
#include <cstring>

#include "ops/moment_code.h"
#include "tensor/row_bands.h"

namespace falconer {
namespace {

// Of numbers of which `each` elements share one.
std::vector<int64_t> bounds_of(const Param& param, int64_t each) {
  std::vector<int64_t> bounds;
  for (int rank = 0; rank <= param.division.ranks; ++rank)
    bounds.push_back((param.pieces().begin(rank) + each - 1) / each);
  return bounds;
}

}  // namespace

RankTensor value_of(const Param& param) {
  if (param.own_value)
    return {param.name, param.rows(), param.cols(), param.own_value, bounds_of(param, 1)};
  return {param.name, param.value.rows, param.value.cols, param.value, {}};
}

std::vector<RankTensor> moments_of(const Session& session, size_t i) {
  const Learner& learner = session.learners().all()[i];
  const Param& param = *learner.param;
  const RankTensor value = value_of(param);
  std::vector<RankTensor> all;
  for (const View& slot : session.optimizer_state()[i]) {
    const bool scales = slot.size() != learner.value.size();
    RankTensor tensor{
        fmt::format("{}.slot{}", param.name, all.size()), value.rows, value.cols, slot, {}};
    if (scales) {
      tensor.rows = 1;
      tensor.cols = moment_blocks(param.size());
    }
    if (param.division.optimizer()) tensor.bounds = bounds_of(param, scales ? kMomentBlock : 1);
    all.push_back(std::move(tensor));
  }
  return all;
}

void for_whole_bands(Ranks* ranks, const RankTensor& tensor,
                     const std::function<void(int64_t, const View&)>& use) {
  if (tensor.bounds.empty()) {
    const View whole = tensor.own.reshape(tensor.rows, tensor.cols);
    return for_bands(tensor.rows, tensor.cols, [&](int64_t first, int64_t count) {
      use(first, whole.row_range(first, count));
    });
  }
  const size_t element = size_of(tensor.own.dtype);
  for_bands(tensor.rows, tensor.cols, [&](int64_t first, int64_t count) {
    const Tensor band(count, tensor.cols, tensor.own.dtype);
    const int64_t from = first * tensor.cols, to = from + count * tensor.cols;
    std::vector<size_t> parts;
    for (const int64_t bound : tensor.bounds)
      parts.push_back(static_cast<size_t>(std::clamp(bound, from, to) - from) * element);
    const auto mine = static_cast<size_t>(ranks->rank());
    const int64_t begin = std::max(tensor.bounds[mine], from);
    if (parts[mine + 1] > parts[mine])
      std::memcpy(static_cast<std::byte*>(band.view().data) + parts[mine],
                  tensor.own.at(0, begin - tensor.bounds[mine]), parts[mine + 1] - parts[mine]);
    ranks->wait(ranks->gather_parts(band.view().data, parts));
    use(first, band.view());
  });
}

bool writes_files(const Session& session) {
  const Ranks* const ranks = session.options().ranks;
  return ranks == nullptr || ranks->first();
}

void write_tensors(TensorWriter& writer, const Session& session,
                   const std::vector<RankTensor>& tensors) {
  for (const RankTensor& tensor : tensors)
    for_whole_bands(session.options().ranks, tensor,
                    [&](int64_t, const View& band) { writer.write(band); });
  writer.commit();
}

void help_write(const Session& session, const std::vector<RankTensor>& tensors) {
  for (const RankTensor& tensor : tensors)
    if (!tensor.bounds.empty())
      for_whole_bands(session.options().ranks, tensor, [](int64_t, const View&) {});
}

}  // namespace falconer
