#include "model/config.h"

#include <algorithm>

namespace falconer {

TrainableCounts count_trainable(const ModelConfig& m) {
  constexpr int64_t kLength = 10, kStart = 2, kRank = 8;
  const int64_t c = m.width, f = m.mlp_width, l = m.layers, attention = m.heads * m.head_size;
  const int64_t norms = m.parallel && m.shared_norm ? 1 : 2;
  const int64_t outputs = m.qkv_rows() + c + f + c;  // of a block's four linear layers
  const int64_t norm_values = 2 * c * (norms * l + 1);
  TrainableCounts counts;
  counts.full = 2 * m.vocab * c + norm_values +
                l * (m.qkv_rows() * c + attention * c + 2 * f * c + (m.bias ? outputs : 0));
  counts.adapter = std::max<int64_t>(0, l - kStart) * (kLength * c + m.heads);
  counts.adapter_v2 = counts.adapter + 2 * (l * outputs + m.vocab) + norm_values;
  counts.lora = l * kRank * (2 * c + attention + m.groups * m.head_size);
  return counts;
}

}  // namespace falconer
