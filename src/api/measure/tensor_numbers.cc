#include "api/measure/tensor_numbers.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "model/open_model.h"
#include "tensor/buffer.h"

namespace falconer {

TensorNumbers numbers_in(const TensorFiles& files) {
  constexpr int64_t kElements = int64_t{1} << 22;  // at a time
  TensorNumbers found;
  for (const auto& [name, stored] : files.tensors()) {
    ++found.tensors;
    if (stored.dtype == Dtype::kU8)
      continue;  // codes of moments are finite; their scales are looked at
    bool zero = stored.size() > 0;
    const int64_t band = std::clamp<int64_t>(kElements / std::max<int64_t>(1, stored.cols()), 1,
                                             std::max<int64_t>(1, stored.rows()));
    const Tensor values(band, stored.cols(), Dtype::kF32);
    for (int64_t row = 0; row < stored.rows(); row += band) {
      const View part = values.view().row_range(0, std::min(band, stored.rows() - row));
      stored.copy_rows_to(row, part);
      for (int64_t i = 0; i < part.size(); ++i) {
        const float value = part.row<float>(0)[i];
        zero &= value == 0;
        if (!std::isfinite(value) && found.not_finite.empty()) found.not_finite = name;
      }
    }
    if (zero) found.all_zero.push_back(name);
  }
  return found;
}

void refuse_broken_weights(const std::string& checkpoint, const ModelConfig& config) {
  constexpr size_t kMost = 2'000'000'000;
  const TensorFiles files = open_weights(checkpoint, config);
  size_t bytes = 0;
  for (const auto& [name, stored] : files.tensors()) bytes += stored.bytes.size();
  if (bytes > kMost)
    return log_info("the weights, {:.1f} GB, were not looked at for numbers that are not finite",
                    static_cast<double>(bytes) / 1e9);
  if (const std::string name = numbers_in(files).not_finite; !name.empty())
    fail(
        "{}: {} holds a number that is not finite; the checkpoint is damaged, or its training "
        "diverged: fetch it again",
        checkpoint, name);
}

}  // namespace falconer
