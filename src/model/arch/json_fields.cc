#include "model/arch/json_fields.h"

#include "base/error.h"

namespace falconer {
namespace {

constexpr WholeRange kTokenId{.least = -1, .most = INT32_MAX};

}  // namespace

const nlohmann::json& object_in(const nlohmann::json& json, const char* key) {
  static const nlohmann::json none = nlohmann::json::object();
  const auto found = json.find(key);
  return found != json.end() && found->is_object() ? *found : none;
}

double rope_base_of(const ConfigFields& fields) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {  // transformers takes the former
    const nlohmann::json* inner = fields.find(key);
    if (inner == nullptr || !inner->is_object()) continue;
    const ConfigFields rope(*inner, fields.where());
    const std::string type = rope.text({"rope_type", "type"}).value_or("default");
    if (type != "default")
      fail("{}: rotary scaling of type \"{}\" is not supported, only \"default\"", fields.where(),
           printable(type));
    if (const auto base = rope.real("rope_theta", kRopeBases)) return *base;
  }
  return fields.real({"rope_theta", "rotary_emb_base"}, kRopeBases).value_or(10000.0);
}

int64_t rotated_dims_of(const ConfigFields& fields, int64_t head_size, double usual) {
  constexpr RealRange kShare{.least = 0, .most = 1};
  double share = fields.real({"rotary_pct", "partial_rotary_factor"}, kShare).value_or(usual);
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const nlohmann::json* inner = fields.find(key);
    if (inner == nullptr || !inner->is_object()) continue;
    const ConfigFields rope(*inner, fields.where());
    share = rope.real("partial_rotary_factor", kShare).value_or(share);
  }
  return static_cast<int64_t>(static_cast<double>(head_size) * share);
}

void read_token_ids(const nlohmann::json& json, const std::string& where, ModelConfig& config) {
  const ConfigFields fields(json, where);
  const auto id_of = [&](const nlohmann::json& value, const char* name) {
    return static_cast<int32_t>(whole_number(value, name, kTokenId, where));
  };
  if (const nlohmann::json* eos = fields.find("eos_token_id")) {
    config.eos_ids.clear();
    const nlohmann::json list = eos->is_array() ? *eos : nlohmann::json::array({*eos});
    for (const nlohmann::json& one : list)
      if (const int32_t id = id_of(one, "eos_token_id"); id >= 0) config.eos_ids.push_back(id);
  }
  if (const nlohmann::json* bos = fields.find("bos_token_id"))
    if (const int32_t id = id_of(*bos, "bos_token_id"); id >= 0) config.bos_id = id;
}

}  // namespace falconer
