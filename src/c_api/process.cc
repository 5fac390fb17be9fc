// The process, and what there is to set.
#include "falconer/process.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "c_api/settings.h"
#include "falconer/finetune.h"
#include "falconer/use.h"

namespace falconer::c_api {
namespace {

using Json = nlohmann::ordered_json;

Json default_json(const SettingValue& value) {
  const std::string text = text_of(value), type = type_of(value);
  if (type == "list") return **std::get_if<std::vector<std::string>*>(&value);
  if (text.empty()) return nullptr;
  if (type == "string") return text;
  return Json::parse(text);
}

Json setting_json(const Setting& setting) {
  Json json = {{"name", setting.name},
               {"type", type_of(setting.value)},
               {"default", default_json(setting.value)},
               {"help", spelled(setting.help)},
               {"group", setting.group},
               {"required", setting.required}};
  if (!setting.expected.empty()) json["expected"] = setting.expected;
  if (!setting.choices.empty()) json["choices"] = setting.choices;
  if (setting.open) json["open"] = true;
  if (setting.commas) json["commas"] = true;
  if (!setting.methods.empty()) json["methods"] = setting.methods;
  return json;
}

template <class Options>
std::string settings_json() {
  Options options;
  Json list = Json::array();
  for (const Setting& setting : settings_of(options)) list.push_back(setting_json(setting));
  return list.dump();
}

}  // namespace
}  // namespace falconer::c_api

using falconer::c_api::call;
using falconer::c_api::need;

const char* falconer_version(void) {
  static const std::string version = falconer::version();
  return version.c_str();
}

falconer_status falconer_set_verbosity(const char* level) {
  return call([&] {
    need(level, "level");
    falconer::set_verbosity(level);
  });
}

falconer_status falconer_set_spelling(const char* language) {
  return call([&] {
    need(language, "language");
    const std::string_view name = language;
    if (name != "c" && name != "python")
      falconer::fail_usage("there is no spelling of \"{}\"; expected c or python",
                           falconer::printable(name));
    falconer::set_spelling(name == "c" ? falconer::Spelling::kFields
                                       : falconer::Spelling::kKeywords);
  });
}

falconer_status falconer_set_threads(int threads) {
  return call([&] { falconer::set_threads(threads); });
}

falconer_status falconer_settings(const char* of, char** json) {
  return call([&] {
    need(json, "json");
    *json = nullptr;
    need(of, "of");
    const std::string_view name = of;
    const std::string text =
        name == "finetune"   ? falconer::c_api::settings_json<falconer::FinetuneOptions>()
        : name == "model"    ? falconer::c_api::settings_json<falconer::ModelOptions>()
        : name == "sampling" ? falconer::c_api::settings_json<falconer::SamplingSettings>()
                             : std::string();
    if (text.empty())
      falconer::fail_usage("there are no settings of \"{}\"; expected finetune, model or sampling",
                           falconer::printable(name));
    *json = falconer::c_api::text_copy(text);
  });
}
