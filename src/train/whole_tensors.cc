#include "train/whole_tensors.h"

#include <tuple>
#include <utility>

#include "ops/moment_code.h"
#include "tensor/row_bands.h"

namespace falconer {
namespace {

// Of numbers of which `each` elements share one.
RankTensor::Part part_of(const Param& param, const Band& band, const View& own, int64_t each) {
  const auto shared = [&](int64_t elements) { return (elements + each - 1) / each; };
  RankTensor::Part part{.first = band.first / each, .own = own, .bounds = {}};
  for (int rank = 0; rank <= param.division.ranks; ++rank)
    part.bounds.push_back(shared(band.pieces.begin(rank)));
  return part;
}

// All of a part, at `whole`.
void gather_part(Ranks* ranks, const RankTensor::Part& part, const View& whole) {
  const size_t element = size_of(part.own.dtype);
  std::vector<size_t> bounds;
  for (const int64_t bound : part.bounds) bounds.push_back(static_cast<size_t>(bound) * element);
  if (part.own.size() > 0)
    copy_converted(
        part.own, whole.reshape(1, whole.size())
                      .col_range(part.bounds[static_cast<size_t>(ranks->rank())], part.own.size()));
  ranks->wait(ranks->gather_parts(whole.data, std::move(bounds)));
}

}  // namespace

RankTensor value_of(const Param& param) {
  if (!param.own_value)
    return {param.name, param.value.rows, param.value.cols, param.value.dtype, param.value, {}};
  RankTensor tensor{param.name, param.rows(), param.cols(), param.own_value.dtype, {}, {}};
  for (const Band& band : param.bands())
    tensor.parts.push_back(part_of(param, band, param.own_value_of(band), 1));
  return tensor;
}

std::vector<RankTensor> moments_of(Session& session, size_t i) {
  const auto& learners = session.learners().all();
  const Param& param = *session.method()->params()[i];
  const RankTensor value = value_of(param);
  std::vector<RankTensor> all;
  const std::vector<Band> bands = param.bands();
  size_t band = 0;
  for (size_t k = 0; k < learners.size(); ++k) {
    if (learners[k].number != i) continue;
    const auto& slots = session.optimizer_state()[k];
    for (size_t slot = 0; slot < slots.size(); ++slot) {
      const View& kept = slots[slot];
      const bool scales = slots.size() > 2 && slot >= 2;
      if (band == 0) {
        all.push_back({fmt::format("{}.slot{}", param.name, slot),
                       value.rows,
                       value.cols,
                       kept.dtype,
                       {},
                       {}});
        if (scales)
          std::tie(all.back().rows, all.back().cols) = std::pair(1, moment_blocks(param.size()));
        if (!param.division.optimizer()) all.back().whole = kept;
      }
      if (param.division.optimizer())
        all[slot].parts.push_back(part_of(param, bands[band], kept, scales ? kMomentBlock : 1));
    }
    ++band;
  }
  return all;
}

void for_whole_bands(Ranks* ranks, const RankTensor& tensor,
                     const std::function<void(int64_t, const View&)>& use) {
  if (tensor.parts.empty()) {
    const View whole = tensor.whole.reshape(tensor.rows, tensor.cols);
    return for_bands(tensor.rows, tensor.cols, [&](int64_t first, int64_t count) {
      use(first, whole.row_range(first, count));
    });
  }
  if (tensor.rows == 1) {  // parts of a row
    const Tensor row(1, tensor.cols, tensor.dtype);
    for (const RankTensor::Part& part : tensor.parts)
      gather_part(ranks, part, row.view().col_range(part.first, part.bounds.back()));
    return use(0, row.view());
  }
  for (const RankTensor::Part& part : tensor.parts) {
    const Tensor band(part.bounds.back() / tensor.cols, tensor.cols, tensor.dtype);
    gather_part(ranks, part, band.view());
    use(part.first / tensor.cols, band.view());
  }
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
    if (!tensor.parts.empty())
      for_whole_bands(session.options().ranks, tensor, [](int64_t, const View&) {});
}

}  // namespace falconer
