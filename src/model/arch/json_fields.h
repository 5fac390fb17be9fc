// Reading the fields of a config.json, whose names have changed over the years.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "model/config.h"

namespace falconer {

/// A value as it is meant. A number of things is whole, and small enough to be calculated with.
template <class T>
T value_of(const nlohmann::json& value, const char* name) {
  if constexpr (std::is_same_v<T, int64_t>) {
    constexpr double kMost = 1e12;
    const double number = value.get<double>();
    if (!(std::fabs(number) <= kMost) || number != std::floor(number))
      fail("the model's settings: \"{}\" is {}; expected a whole number up to {}", name,
           value.dump(), kMost);
    return static_cast<int64_t>(number);
  }
  return value.get<T>();
}

/// The first of `names` that is there and not null, else `otherwise`.
template <class T>
T field(const nlohmann::json& json, std::initializer_list<const char*> names, T otherwise) {
  for (const char* name : names)
    if (json.contains(name) && !json[name].is_null()) return value_of<T>(json[name], name);
  return otherwise;
}

/// As field, but the first name must be there in one spelling or another.
template <class T>
T required_field(const nlohmann::json& json, std::initializer_list<const char*> names,
                 const std::string& where) {
  for (const char* name : names)
    if (json.contains(name) && !json[name].is_null()) return value_of<T>(json[name], name);
  fail("{}: \"{}\" is missing", where, *names.begin());
}

/// Rotary settings, in transformers 5's "rope_parameters" or beside the rest as before. Only the
/// plain kind.
inline double rope_base_of(const nlohmann::json& json, const std::string& where) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!json.contains(key) || !json[key].is_object()) continue;
    const std::string type = field<std::string>(json[key], {"rope_type", "type"}, "default");
    if (type != "default")
      fail("{}: rotary scaling of type \"{}\" is not supported, only \"default\"", where, type);
    if (json[key].contains("rope_theta")) return json[key]["rope_theta"].get<double>();
  }
  return field<double>(json, {"rope_theta", "rotary_emb_base"}, 10000.0);
}

inline int32_t token_id(const nlohmann::json& value) {
  return static_cast<int32_t>(
      std::clamp<int64_t>(value_of<int64_t>(value, "token id"), INT32_MIN, INT32_MAX));
}

/// Token ids that may be a number, a list or null.
inline void read_token_ids(const nlohmann::json& json, ModelConfig& config) {
  if (json.contains("eos_token_id")) {
    const auto& eos = json["eos_token_id"];
    if (eos.is_number_integer()) config.eos_ids = {token_id(eos)};
    if (eos.is_array()) {
      config.eos_ids.clear();
      for (const auto& id : eos) config.eos_ids.push_back(token_id(id));
    }
  }
  if (json.contains("bos_token_id") && json["bos_token_id"].is_number_integer())
    config.bos_id = token_id(json["bos_token_id"]);
}

}  // namespace falconer
