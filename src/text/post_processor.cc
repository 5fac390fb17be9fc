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
  if (type == "TemplateProcessing") return add_template(json);
  if (type != "BertProcessing" && type != "RobertaProcessing")
    fail(
        "its post_processor is of type \"{}\"; supported are ByteLevel, TemplateProcessing, "
        "BertProcessing, RobertaProcessing and Sequence",
        type);
  const auto id_of = [&](const char* key) {  // ["<s>", 0]
    return static_cast<int32_t>(whole_number(json.at(key).at(1), key, {0, INT32_MAX}));
  };
  before_.insert(before_.begin(), id_of("cls"));
  behind_.push_back(id_of("sep"));
}

// `tokenizers` has no template behind another step that adds tokens.
void PostProcessor::add_template(const nlohmann::json& json) {
  if (!before_.empty() || !behind_.empty())
    fail("its post_processor has a TemplateProcessing behind a step that adds tokens");
  int texts = 0;
  for (const auto& part : json.at("single")) {
    if (part.contains("Sequence")) {
      if (++texts > 1 || part["Sequence"].value("id", "A") != "A")
        fail("its post_processor's template has more than one text");
      continue;
    }
    const auto name = part.at("SpecialToken").at("id").get<std::string>();
    for (const auto& id : json.at("special_tokens").at(name).at("ids"))
      (texts == 0 ? before_ : behind_)
          .push_back(static_cast<int32_t>(whole_number(id, "ids", {0, INT32_MAX})));
  }
  if (texts == 0) fail("its post_processor's template leaves the text out");
}

std::vector<int32_t> PostProcessor::apply(std::vector<int32_t> ids) const {
  ids.insert(ids.begin(), before_.begin(), before_.end());
  ids.insert(ids.end(), behind_.begin(), behind_.end());
  return ids;
}

}  // namespace falconer
