#include "data/format/fields.h"

#include "base/error.h"
#include "base/json_text.h"

namespace falconer {

const RowObject* find_field(const RowObject& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text_field(const RowObject& object, const char* key) {
  if (!object.contains(key)) fail("has no \"{}\"", key);
  const RowObject& value = object[key];
  if (!value.is_string()) fail("\"{}\" is not a string", key);
  return value.get<std::string>();
}

std::string optional_text_field(const RowObject& object, const char* key) {
  return find_field(object, key) != nullptr ? text_field(object, key) : "";
}

std::string usual_role(const std::string& role) {
  constexpr std::pair<const char*, const char*> kRoles[] = {
      {"user", "user"},           {"human", "user"},
      {"assistant", "assistant"}, {"gpt", "assistant"},
      {"model", "assistant"},     {"chatgpt", "assistant"},
      {"bard", "assistant"},      {"bing", "assistant"},
      {"system", "system"},       {"developer", "developer"},
      {"tool", "tool"},           {"observation", "tool"},
      {"function", "tool"},       {"function_call", "assistant"}};
  for (const auto& [known, name] : kRoles)
    if (role == known) return name;
  fail("a message is from \"{}\", expected user or human, assistant or gpt, system, or tool",
       printable(role));
}

RowObject tools_field(const RowObject& object) {
  const RowObject* tools = find_field(object, "tools");
  if (tools == nullptr) return {};
  if (tools->is_array()) return *tools;
  if (!tools->is_string()) fail("\"tools\" is not a list");
  const std::string& text = tools->get_ref<const std::string&>();
  if (text.empty()) return {};
  RowObject parsed = parse_ordered_json(text);
  if (!parsed.is_array()) fail("\"tools\" is not a list, nor JSON text of one");
  return parsed;
}

std::string kind_of(const RowObject& value) {
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  if (value.is_object()) return "an object";
  if (value.is_string()) return "a string";
  return value.dump();
}

}  // namespace falconer
