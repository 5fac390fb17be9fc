// A row of metrics.jsonl as a reader of old runs takes it: what it does not say, or says wrongly, is absent.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

namespace falconer {

inline std::optional<double> real_of(const nlohmann::json& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_number()) return {};
  return found->get<double>();
}

/// A count; 0 where it is no number, or one that nothing has.
inline int64_t count_of(const nlohmann::json& row, const char* key) {
  const double value = real_of(row, key).value_or(0);
  return value >= 0 && value < 1e15 ? static_cast<int64_t>(value) : 0;
}

}  // namespace falconer
