#include "text/grammar/schema_keywords.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json_number.h"

namespace falconer::grammar {
namespace {

using Names = std::vector<std::string>;

// They say nothing about a value, or are looked at elsewhere.
bool is_note(const std::string& name) {
  static const std::set<std::string> all{
      "title",       "description",   "default",        "examples", "example",
      "$schema",     "$id",           "$comment",       "$defs",    "definitions",
      "deprecated",  "readOnly",      "writeOnly",      "$anchor",  "contentMediaType",
      "$vocabulary", "discriminator", "contentEncoding"};
  return all.contains(name) || name.starts_with("x-");
}

const Names& all_types() {
  static const Names all{"null", "boolean", "object", "array", "number", "string", "integer"};
  return all;
}

/// The types whose values the keyword is about; empty: any.
std::string type_of_keyword(const std::string& name) {
  for (const char* one : {"properties", "required", "additionalProperties"})
    if (name == one) return "object";
  for (const char* one : {"items", "prefixItems", "minItems", "maxItems"})
    if (name == one) return "array";
  for (const char* one : {"minLength", "maxLength", "pattern", "format"})
    if (name == one) return "string";
  for (const char* one : {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
    if (name == one) return "number";
  return {};
}

[[noreturn]] void fail_kind(const std::string& name, const SchemaJson& value,
                            const std::string& where, const char* expected) {
  fail_at(where, fmt::format("\"{}\" is {}, expected {}", name, found_text(value), expected));
}

bool all_texts(const SchemaJson& list) {
  return list.is_array() &&
         std::all_of(list.begin(), list.end(), [](const auto& one) { return one.is_string(); });
}

void check_type(const SchemaJson& value, const std::string& where) {
  const auto known = [](const SchemaJson& one) {
    return one.is_string() && std::find(all_types().begin(), all_types().end(),
                                        one.get<std::string>()) != all_types().end();
  };
  const bool good = value.is_array()
                        ? !value.empty() && std::all_of(value.begin(), value.end(), known)
                        : known(value);
  if (!good)
    fail_kind("type", value, where,
              "one of null, boolean, object, array, number, string and integer, or a list of them");
}

bool is_schema(const SchemaJson& value) { return value.is_object() || value.is_boolean(); }

Names listed_types(const SchemaJson& type) {
  if (type.is_string()) return {type.get<std::string>()};
  return type.get<Names>();
}

bool has_type(const Names& types, const char* type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

Names common_types(const Names& a, const Names& b) {
  Names result;
  for (const std::string& type : all_types()) {
    const auto in = [&](const Names& types) {
      return has_type(types, type.c_str()) || (type == "integer" && has_type(types, "number"));
    };
    if (in(a) && in(b)) result.push_back(type);
  }
  if (has_type(result, "number")) std::erase(result, "integer");
  return result;
}

SchemaJson all_of(const SchemaJson& a, const SchemaJson& b) {
  if (a == b) return a;
  return {{"allOf", SchemaJson::array({a, b})}};
}

// What is written beside the properties of one holds for those of the other that it does not have.
SchemaJson both_properties(const SchemaJson& a, const SchemaJson& b) {
  SchemaJson result = SchemaJson::object();
  const SchemaJson none = SchemaJson::object();
  const auto properties = [&](const SchemaJson& of) -> const SchemaJson& {
    const auto found = of.find("properties");
    return found == of.end() ? none : *found;
  };
  const SchemaJson &first = properties(a), &second = properties(b);
  const auto with_others = [](const SchemaJson& schema, const SchemaJson& other) {
    const auto found = other.find("additionalProperties");
    return found == other.end() ? schema : all_of(schema, *found);
  };
  for (const auto& [name, schema] : first.items()) {
    const auto found = second.find(name);
    result[name] = found == second.end() ? with_others(schema, b) : all_of(schema, *found);
  }
  for (const auto& [name, schema] : second.items())
    if (!first.contains(name)) result[name] = with_others(schema, a);
  return result;
}

/// Both values of a keyword as one; a discarded value where nothing fits both.
SchemaJson both_values(const std::string& name, const SchemaJson& a, const SchemaJson& b,
                       const std::string& where) {
  const SchemaJson nothing(SchemaJson::value_t::discarded);
  if (name == "type") {
    const Names types = common_types(listed_types(a), listed_types(b));
    return types.empty() ? nothing : SchemaJson(types);
  }
  if (name == "const") return nothing;
  if (name == "required" || name == "enum") {
    const bool both = name == "enum";
    SchemaJson list = both ? SchemaJson::array() : a;
    const SchemaJson& in = both ? a : list;
    for (const SchemaJson& one : b)
      if ((std::find(in.begin(), in.end(), one) != in.end()) == both) list.push_back(one);
    return both && list.empty() ? nothing : list;
  }
  if (name == "additionalProperties" || name == "items") return all_of(a, b);
  const std::string_view view(name);
  if (view.starts_with("min") || view == "exclusiveMinimum") return a < b ? b : a;
  if (view.starts_with("max") || view == "exclusiveMaximum") return a < b ? a : b;
  fail_at(where, fmt::format("\"{}\" is there twice, in schemas that both have to fit, which is "
                             "not supported",
                             name));
}

/// Values that "enum" and "const" leave; null where there is neither.
std::optional<SchemaJson> values_of(const SchemaJson& schema) {
  if (!schema.is_object()) return std::nullopt;
  if (const auto found = schema.find("const"); found != schema.end())
    return SchemaJson::array({*found});
  if (const auto found = schema.find("enum"); found != schema.end() && found->is_array())
    return *found;
  return std::nullopt;
}

bool nothing_common(const std::optional<SchemaJson>& a, const std::optional<SchemaJson>& b) {
  return a && b && std::none_of(a->begin(), a->end(), [&](const SchemaJson& one) {
           return std::find(b->begin(), b->end(), one) != b->end();
         });
}

const SchemaJson* member_of(const SchemaJson& object, const std::string& name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

bool requires_property(const SchemaJson& schema, const std::string& name) {
  const auto found = schema.find("required");
  return found != schema.end() && std::find(found->begin(), found->end(), name) != found->end();
}

}  // namespace

bool check_keyword(const std::string& name, const SchemaJson& value, const std::string& where) {
  if (is_note(name)) return false;
  const std::string_view view(name);
  if (view == "$ref") {
    if (!value.is_string()) fail_kind(name, value, where, "a text");
    return false;
  }
  if (view == "anyOf" || view == "oneOf" || view == "allOf") {
    if (!value.is_array() || value.empty()) fail_kind(name, value, where, "a list of schemas");
    return false;
  }
  if (view == "uniqueItems" && value == false) return false;
  if (view == "const") return true;
  if (view == "type") return check_type(value, where), true;
  if (view == "enum") {
    if (!value.is_array()) fail_kind(name, value, where, "a list");
  } else if (view == "required") {
    if (!all_texts(value)) fail_kind(name, value, where, "a list of texts");
  } else if (view == "properties") {
    if (!value.is_object()) fail_kind(name, value, where, "an object of schemas");
  } else if (view == "additionalProperties" || view == "items") {
    if (!is_schema(value))
      fail_kind(name, value, where,
                view == "items" ? "a schema (a list of them is \"prefixItems\")" : "a schema");
  } else if (view == "prefixItems") {
    if (!value.is_array()) fail_kind(name, value, where, "a list of schemas");
  } else if (view == "pattern" || view == "format") {
    if (!value.is_string()) fail_kind(name, value, where, "a text");
  } else if (type_of_keyword(name) == "number") {
    if (!value.is_number()) fail_kind(name, value, where, "a number");
  } else if (view.starts_with("min") || view.starts_with("max")) {
    if (type_of_keyword(name).empty()) fail_at(where, fmt::format("\"{}\" is not supported", name));
    const auto whole = whole_value(value);
    if (!whole || *whole < 0) fail_kind(name, value, where, "a whole number from 0 on");
  } else {
    fail_at(where, fmt::format("\"{}\" is not supported; leave it out, or say it in the prompt",
                               printable(name)));
  }
  return true;
}

std::optional<SchemaJson> both_of(const SchemaJson& a, const SchemaJson& b,
                                  const std::string& where) {
  if (a.empty() || a == b) return b;
  SchemaJson result = a;
  if (a.contains("properties") || b.contains("properties"))
    result["properties"] = both_properties(a, b);
  const auto prefix = [](const SchemaJson& of) { return of.value("prefixItems", SchemaJson()); };
  if ((a.contains("items") || b.contains("items")) && prefix(a) != prefix(b))
    fail_at(where,
            "\"items\" and \"prefixItems\" stand in different schemas that both have to fit, which "
            "is not supported");
  for (const auto& [name, value] : b.items()) {
    if (name == "properties") continue;
    const auto found = result.find(name);
    if (found == result.end()) {
      result[name] = value;
    } else if (*found != value) {
      SchemaJson both = both_values(name, *found, value, where);
      if (both.is_discarded()) return std::nullopt;
      *found = std::move(both);
    }
  }
  return result;
}

std::vector<std::string> types_of(const SchemaJson& plain) {
  if (const auto found = plain.find("type"); found != plain.end()) {
    Names types = listed_types(*found);
    if (has_type(types, "number")) std::erase(types, "integer");
    return types;
  }
  Names types;
  for (const auto& [name, value] : plain.items())
    if (const std::string type = type_of_keyword(name);
        !type.empty() && !has_type(types, type.c_str()))
      types.push_back(type);
  if (!types.empty()) return types;
  types = all_types();
  std::erase(types, "integer");
  return types;
}

bool is_about(const std::string& keyword, const std::string& type) {
  const std::string about = type_of_keyword(keyword);
  return about == type || (about == "number" && type == "integer");
}

bool are_apart(const PlainSchema& a, const PlainSchema& b) {
  const Names first = types_of(a.keywords), second = types_of(b.keywords);
  if (common_types(first, second).empty()) return true;
  if (nothing_common(values_of(a.keywords), values_of(b.keywords))) return true;
  if (common_types(first, second) != Names{"object"}) return false;
  const auto apart_by_property = [](const SchemaJson& one, const SchemaJson& other) {
    const SchemaJson* required = member_of(one, "required");
    if (required == nullptr) return false;
    const SchemaJson* mine = member_of(one, "properties");
    const SchemaJson* theirs = member_of(other, "properties");
    const SchemaJson* others = member_of(other, "additionalProperties");
    const bool closed = others != nullptr && *others == false;
    return std::any_of(required->begin(), required->end(), [&](const SchemaJson& name) {
      const auto& key = name.get_ref<const std::string&>();
      const SchemaJson* my_value = mine == nullptr ? nullptr : member_of(*mine, key);
      const SchemaJson* their_value = theirs == nullptr ? nullptr : member_of(*theirs, key);
      if (their_value == nullptr) return closed;
      return my_value != nullptr && requires_property(other, key) &&
             nothing_common(values_of(*my_value), values_of(*their_value));
    });
  };
  return apart_by_property(a.keywords, b.keywords) || apart_by_property(b.keywords, a.keywords);
}

}  // namespace falconer::grammar
