// Reading the fields of a config.json, whose names have changed over the years.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "model/config.h"

namespace falconer {

/// The first of `names` that is there and not null, else `otherwise`.
template <class T>
T field(const nlohmann::json& json, std::initializer_list<const char*> names, T otherwise) {
  for (const char* name : names)
    if (json.contains(name) && !json[name].is_null()) return json[name].get<T>();
  return otherwise;
}

/// As field, but the first name must be there in one spelling or another.
template <class T>
T required_field(const nlohmann::json& json, std::initializer_list<const char*> names,
                 const std::string& where) {
  for (const char* name : names)
    if (json.contains(name) && !json[name].is_null()) return json[name].get<T>();
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

/// Token ids that may be a number, a list or null.
inline void read_token_ids(const nlohmann::json& json, ModelConfig& config) {
  if (json.contains("eos_token_id")) {
    const auto& eos = json["eos_token_id"];
    if (eos.is_number_integer()) config.eos_ids = {eos.get<int32_t>()};
    if (eos.is_array()) config.eos_ids = eos.get<std::vector<int32_t>>();
  }
  if (json.contains("bos_token_id") && json["bos_token_id"].is_number_integer())
    config.bos_id = json["bos_token_id"].get<int32_t>();
}

}  // namespace falconer
