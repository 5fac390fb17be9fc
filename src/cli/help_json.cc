#include "cli/help_json.h"

#include <nlohmann/json.hpp>
#include <type_traits>

#include "falconer/process.h"

namespace falconer::cli {
namespace {

using Json = nlohmann::ordered_json;

template <class Value>
Json json_of(const Value& value) {
  return value;
}
template <class Value>
Json json_of(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// A text that is not set is no text.
Json default_of(const Flag& flag) {
  if (flag.traits.size) return flag.traits.default_text;
  return std::visit(
      [](auto value) {
        if constexpr (std::is_same_v<decltype(value), std::monostate>)
          return Json(nullptr);
        else if constexpr (std::is_same_v<decltype(value), std::string*>)
          return value->empty() ? Json(nullptr) : Json(*value);
        else
          return json_of(*value);
      },
      flag.value);
}

std::string type_in_json(const Flag& flag) {
  if (flag.traits.size) return "string";
  return std::visit(
      [](auto value) -> std::string {
        if constexpr (std::is_same_v<decltype(value), std::monostate>)
          return "none";
        else if constexpr (std::is_same_v<decltype(value), std::vector<int32_t>*>)
          return "list";
        else
          return falconer::type_of(SettingValue(value));
      },
      flag.value);
}

Json flag_json(const Flag& flag) {
  const FlagTraits& traits = flag.traits;
  Json json = {
      {"names", Json::array()},      {"type", type_in_json(flag)},
      {"default", default_of(flag)}, {"help", flag.help},
      {"required", traits.required}, {"group", flag.group.empty() ? "Options" : flag.group}};
  for (const std::string& name : flag.short_names) json["names"].push_back("-" + name);
  for (const std::string& name : flag.long_names)
    json[flag.says_no(name) ? "negations" : "names"].push_back("--" + name);
  if (!flag.positional.empty()) json["positional"] = flag.positional;
  const auto& choices = traits.choices.empty() ? traits.offers : traits.choices;
  if (!choices.empty()) json["choices"] = choices;
  if (!choices.empty() && traits.open) json["open"] = true;
  if (!traits.expected.empty()) json["expected"] = traits.expected;
  if (traits.kind != ValueKind::kText) json["kind"] = name_of(traits.kind);
  if (flag.is_list()) json["repeats"] = true;
  if (traits.delimiter != 0) json["commas"] = true;
  if (traits.optional_value) json["alone"] = traits.default_text;
  if (!traits.methods.empty()) json["methods"] = traits.methods;
  return json;
}

Json flags_json(const Command& command) {
  Json flags = Json::array();
  for (const Flag& flag : command.flags()) flags.push_back(flag_json(flag));
  return flags;
}

}  // namespace

std::string help_json(const Command& program) {
  Json json = {{"name", program.name()},
               {"version", version()},
               {"help", program.help().substr(0, program.help().find('\n'))},
               {"flags", flags_json(program)},
               {"commands", Json::array()}};
  for (const auto& command : program.commands())
    json["commands"].push_back(
        {{"name", command->name()}, {"help", command->help()}, {"flags", flags_json(*command)}});
  return json.dump(2) + "\n";
}

}  // namespace falconer::cli
