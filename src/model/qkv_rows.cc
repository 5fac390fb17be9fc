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

std::vector<RowRange> ours_in_parts(const ModelConfig& config) {
  std::vector<RowRange> order;
  if (config.groups == 1 || config.qkv != ModelConfig::Qkv::kByGroup) return order;
  for (const SitePart& part : qkv_parts(config))
    order.insert(order.end(), part.rows.begin(), part.rows.end());
  return order;
}

std::vector<RowRange> parts_in_ours(const ModelConfig& config) {
  std::vector<RowRange> order;
  if (config.groups == 1 || config.qkv != ModelConfig::Qkv::kByGroup) return order;
  const int64_t d = config.head_size, m = config.per_group(), h = config.heads, g = config.groups;
  for (int64_t i = 0; i < g; ++i) {
    order.push_back({i * m * d, m * d});
    order.push_back({(h + i) * d, d});
    order.push_back({(h + g + i) * d, d});
  }
  return order;
}

}  // namespace falconer
