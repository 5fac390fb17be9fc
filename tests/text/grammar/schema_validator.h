// Whether a value fits a JSON schema, by the specification's words and no cleverness: what grammars are held against.
#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "base/utf8.h"

namespace falconer::test {

using SchemaValue = nlohmann::ordered_json;

class SchemaValidator {
 public:
  explicit SchemaValidator(const SchemaValue& root) : root_(root) {}

  bool fits(const SchemaValue& value) const { return fits(root_, value); }

 private:
  bool fits(const SchemaValue& schema, const SchemaValue& value) const {
    if (schema.is_boolean()) return schema.get<bool>();
    for (const auto& [keyword, said] : schema.items())
      if (!holds(schema, keyword, said, value)) return false;
    return true;
  }

  static bool is_type(const std::string& type, const SchemaValue& value) {
    if (type == "number") return value.is_number();
    if (type == "integer")
      return value.is_number() && value.get<double>() == std::floor(value.get<double>());
    return type == value.type_name();
  }

  static size_t length(const std::string& text) {
    size_t count = 0;
    for (size_t at = 0; at < text.size(); ++count) at += decode_utf8(text, at).length;
    return count;
  }

  bool holds(const SchemaValue& schema, const std::string& keyword, const SchemaValue& said,
             const SchemaValue& value) const {
    if (keyword == "$ref")
      return fits(root_.at(nlohmann::json_pointer<std::string>(said.get<std::string>().substr(1))),
                  value);
    const auto fit = [&](const SchemaValue& one) { return fits(one, value); };
    if (keyword == "allOf") return std::all_of(said.begin(), said.end(), fit);
    if (keyword == "anyOf") return std::any_of(said.begin(), said.end(), fit);
    if (keyword == "oneOf") return std::count_if(said.begin(), said.end(), fit) == 1;
    if (keyword == "const") return value == said;
    if (keyword == "enum") return std::find(said.begin(), said.end(), value) != said.end();
    if (keyword == "type") {
      if (said.is_string()) return is_type(said.get<std::string>(), value);
      return std::any_of(said.begin(), said.end(), [&](const SchemaValue& one) {
        return is_type(one.get<std::string>(), value);
      });
    }
    if (value.is_number()) return holds_of_number(keyword, said, value);
    if (value.is_string()) return holds_of_text(keyword, said, value.get<std::string>());
    if (value.is_array()) return holds_of_list(schema, keyword, said, value);
    return !value.is_object() || holds_of_object(schema, keyword, said, value);
  }

  static bool holds_of_number(const std::string& keyword, const SchemaValue& said,
                              const SchemaValue& value) {
    if (keyword == "minimum") return value >= said;
    if (keyword == "maximum") return value <= said;
    if (keyword == "exclusiveMinimum") return value > said;
    if (keyword == "exclusiveMaximum") return value < said;
    return true;
  }

  static bool holds_of_text(const std::string& keyword, const SchemaValue& said,
                            const std::string& text) {
    if (keyword == "minLength") return length(text) >= said.get<size_t>();
    if (keyword == "maxLength") return length(text) <= said.get<size_t>();
    if (keyword == "pattern")
      return std::regex_search(text, std::regex(said.get<std::string>(), std::regex::ECMAScript));
    return true;
  }

  bool holds_of_list(const SchemaValue& schema, const std::string& keyword, const SchemaValue& said,
                     const SchemaValue& list) const {
    if (keyword == "minItems") return list.size() >= said.get<size_t>();
    if (keyword == "maxItems") return list.size() <= said.get<size_t>();
    const size_t prefix = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
    for (size_t i = 0; i < list.size(); ++i) {
      if (keyword == "prefixItems" && i < prefix && !fits(said[i], list[i])) return false;
      if (keyword == "items" && i >= prefix && !fits(said, list[i])) return false;
    }
    return true;
  }

  bool holds_of_object(const SchemaValue& schema, const std::string& keyword,
                       const SchemaValue& said, const SchemaValue& object) const {
    if (keyword == "required")
      return std::all_of(said.begin(), said.end(), [&](const SchemaValue& name) {
        return object.contains(name.get<std::string>());
      });
    for (const auto& [name, value] : object.items()) {
      const bool listed = schema.contains("properties") && schema["properties"].contains(name);
      if (keyword == "properties" && listed && !fits(said[name], value)) return false;
      if (keyword == "additionalProperties" && !listed && !fits(said, value)) return false;
    }
    return true;
  }

  const SchemaValue& root_;
};

}  // namespace falconer::test
