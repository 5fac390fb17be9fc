#include "model/qkv_rows.h"

namespace falconer {

std::vector<SitePart> qkv_parts(const ModelConfig& config) {
  SitePart q{.name = "q"}, k{.name = "k"}, v{.name = "v"};
  const int64_t d = config.head_size, m = config.per_group();
  if (config.qkv == ModelConfig::Qkv::kByPart) {
    q.rows.push_back({0, config.q_rows()});
    k.rows.push_back({config.q_rows(), config.kv_rows()});
    v.rows.push_back({config.q_rows() + config.kv_rows(), config.kv_rows()});
    return {q, k, v};
  }
  for (int64_t g = 0; g < config.groups; ++g) {
    const int64_t first = g * (m + 2) * d;
    q.rows.push_back({first, m * d});
    k.rows.push_back({first + m * d, d});
    v.rows.push_back({first + (m + 1) * d, d});
  }
  return {q, k, v};
}

}  // namespace falconer
