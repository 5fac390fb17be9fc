#include "data/format/fields.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json_text.h"
#include "base/small_letters.h"

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

std::string answer_field(const RowObject& object, const char* key, RowContext& context) {
  const RowObject* value = find_field(object, key);
  if (value == nullptr || value->is_string()) return text_field(object, key);
  check_numbers(*value, key);
  context.json_answer = true;
  return value->dump();
}

namespace {

void check_numbers_in(const RowObject& value, std::string_view name, const char* verb) {
  if (value.is_structured())
    for (const RowObject& one : value) check_numbers_in(one, name, "holds");
  if (!value.is_number_float()) return;
  const double number = value.get<double>();
  if (!std::isfinite(number))
    fail("\"{}\" {} {}, as tables have it where a value is missing", printable(name), verb, number);
  if (std::abs(number) >= 0x1p63)
    fail("\"{}\" {} a number of more digits than are kept; write it as text, in quotes",
         printable(name), verb);
}

}  // namespace

void check_numbers(const RowObject& value, std::string_view name) {
  check_numbers_in(value, name, "is");
}

const RowObject& list_field(const RowObject& object, const char* key, const char* of,
                            RowObject& parsed) {
  if (!object.contains(key)) fail("has no \"{}\"", key);
  const RowObject* list = &object[key];
  if (list->is_string()) {
    parsed = parse_ordered_json(list->get_ref<const std::string&>());
    list = &parsed;
  }
  if (!list->is_array() || list->empty()) fail("\"{}\" is not a list of {}", key, of);
  return *list;
}

namespace {

constexpr const char* kWeight = "weight";
constexpr const char* kLearned[] = {"train", "loss"};

}  // namespace

bool is_learn_key(std::string_view key) {
  return key == kWeight ||
         std::find(std::begin(kLearned), std::end(kLearned), key) != std::end(kLearned);
}

std::optional<bool> learn_field(const RowObject& message) {
  std::optional<bool> learn;
  const auto take = [&](const char* key, bool value) {
    if (learn && *learn != value) fail("a message's \"{}\" contradicts what else it says", key);
    learn = value;
  };
  if (const RowObject* weight = find_field(message, kWeight)) {
    if (!weight->is_number() || (*weight != 0 && *weight != 1))
      fail("a message's \"weight\" is {}, expected 0 or 1", kind_of(*weight));
    take(kWeight, *weight == 1);
  }
  for (const char* key : kLearned) {
    const RowObject* value = find_field(message, key);
    if (value == nullptr) continue;
    if (!value->is_boolean())
      fail("a message's \"{}\" is {}, expected true or false", key, kind_of(*value));
    take(key, value->get<bool>());
  }
  return learn;
}

std::string usual_role(const std::string& role) {
  constexpr std::pair<const char*, const char*> kRoles[] = {
      {"user", "user"},           {"human", "user"},
      {"assistant", "assistant"}, {"gpt", "assistant"},
      {"model", "assistant"},     {"chatgpt", "assistant"},
      {"bard", "assistant"},      {"bing", "assistant"},
      {"system", "system"},       {"developer", "developer"},
      {"tool", "tool"},           {"observation", "tool"},
      {"function", "tool"},       {"function_call", "assistant"},
      {"ai", "assistant"},        {"bot", "assistant"},
      {"prompter", "user"},       {"function_response", "tool"},
      {"tool_response", "tool"},  {"ipython", "tool"}};
  std::string plain = small_letters(role);  // "Human", "USER" and "function-call" are these as well
  std::replace(plain.begin(), plain.end(), '-', '_');
  for (const auto& [known, name] : kRoles)
    if (plain == known) return name;
  fail("a message is from \"{}\", expected user or human, assistant or gpt, system, or tool",
       printable(role));
}

RowObject tools_field(const RowObject& object) {
  const RowObject* tools = find_field(object, "tools");
  if (tools == nullptr) return {};
  check_numbers(*tools, "tools");
  if (tools->is_array()) return *tools;
  if (!tools->is_string()) fail("\"tools\" is not a list");
  const std::string& text = tools->get_ref<const std::string&>();
  if (text.empty()) return {};
  RowObject parsed = parse_ordered_json(text);
  if (!parsed.is_array()) fail("\"tools\" is not a list, nor JSON text of one");
  check_numbers(parsed, "tools");
  return parsed;
}

std::string kind_of(const RowObject& value) {
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  if (value.is_object()) return "an object";
  if (value.is_string()) return "a string";
  return found_text(value);
}

}  // namespace falconer
