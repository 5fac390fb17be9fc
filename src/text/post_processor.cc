#include "text/post_processor.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_number.h"

namespace falconer {

PostProcessor PostProcessor::from_json(const nlohmann::json& json) {
  PostProcessor result;
  if (!json.is_null()) result.add(json);
  return result;
}

void PostProcessor::add(const nlohmann::json& json) {
  const auto type = json.at("type").get<std::string>();
  if (type == "ByteLevel") return;
  if (type == "Sequence") {
    for (const auto& step : json.at("processors")) add(step);
    return;
  }
  if (type != "TemplateProcessing")
    fail(
        "its post_processor is of type \"{}\"; supported are ByteLevel, TemplateProcessing and "
        "Sequence",
        type);
  std::vector<int32_t>* side = &before_;
  for (const auto& part : json.at("single")) {
    if (part.contains("Sequence")) {
      side = &behind_;
      continue;
    }
    const auto name = part.at("SpecialToken").at("id").get<std::string>();
    for (const auto& id : json.at("special_tokens").at(name).at("ids"))
      side->push_back(static_cast<int32_t>(whole_number(id, "ids", {0, INT32_MAX})));
  }
}

std::vector<int32_t> PostProcessor::apply(std::vector<int32_t> ids) const {
  ids.insert(ids.begin(), before_.begin(), before_.end());
  ids.insert(ids.end(), behind_.begin(), behind_.end());
  return ids;
}

}  // namespace falconer
