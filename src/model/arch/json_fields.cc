#include "model/arch/json_fields.h"

#include <mutex>
#include <set>

#include "base/error.h"
#include "base/log.h"

namespace falconer {
namespace {

constexpr WholeRange kTokenId{.least = -1, .most = INT32_MAX};

}  // namespace

void warn_once(const std::string& text) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::scoped_lock lock(mutex);
  if (said.insert(text).second) log_warning("{}", text);
}

const nlohmann::json& object_in(const nlohmann::json& json, const char* key) {
  static const nlohmann::json none = nlohmann::json::object();
  const auto found = json.find(key);
  return found != json.end() && found->is_object() ? *found : none;
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
