// Schemas at random, and values that fit them.
#pragma once

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace falconer::test {

class RandomSchemas {
 public:
  using Json = nlohmann::ordered_json;
  explicit RandomSchemas(uint32_t seed) : random_(seed) {}

  size_t below(size_t count) { return random_() % count; }
  bool chance(size_t one_in) { return below(one_in) == 0; }

  /// With a list of its own kind under #/$defs/node.
  Json root() {
    Json schema = made(3);
    if (schema.is_boolean()) schema = Json{{"type", "string"}};
    schema["$defs"] = {
        {"node",
         {{"type", "object"},
          {"properties",
           {{"value", made(0)},
            {"next", {{"anyOf", {{{"$ref", "#/$defs/node"}}, {{"type", "null"}}}}}}}},
          {"required", {"value", "next"}}}}};
    return schema;
  }

  Json made(int depth) {
    switch (below(depth > 0 ? 14 : 9)) {
      case 0:
        return {{"type", "boolean"}};
      case 1:
        return {{"type", "null"}};
      case 2:
        return text_schema();
      case 3:
        return integer_schema();
      case 4:
        return number_schema();
      case 5:
        return {{"enum", {"red", "green", "grün", "a\"b\\c", 1, -2.5, nullptr, true}}};
      case 6:
        return {{"const", {{"kind", "x"}, {"of", {1, 2}}}}};
      case 7:
        return {{"type", {"string", "null"}}, {"maxLength", below(4)}};
      case 8:
        return text_schema();
      case 9:
        return list_schema(depth);
      case 10:
        return {{"anyOf", {made(depth - 1), made(depth - 1)}}};
      case 11:
        return {{"$ref", "#/$defs/node"}};
      default:
        return object_schema(depth);
    }
  }

  Json value(const Json& schema, const Json& root) {
    if (schema.is_boolean() || schema.empty()) return below(10);
    if (schema.contains("$ref")) return value(root["$defs"]["node"], root);
    if (schema.contains("anyOf")) {
      // The last of them ends what contains itself.
      const Json& any = schema["anyOf"];
      return value(any[chance(3) ? 0 : any.size() - 1], root);
    }
    if (schema.contains("enum")) return schema["enum"][below(schema["enum"].size())];
    if (schema.contains("const")) return schema["const"];
    std::string type = schema["type"].is_array() ? schema["type"][below(2)].get<std::string>()
                                                 : schema["type"].get<std::string>();
    if (type == "boolean") return chance(2);
    if (type == "null") return nullptr;
    if (type == "string") return text(schema);
    if (type == "integer" || type == "number") return number(schema, type == "integer");
    return type == "array" ? list(schema, root) : object(schema, root);
  }

 private:
  static const std::vector<std::pair<std::string, std::vector<std::string>>>& patterns() {
    static const std::vector<std::pair<std::string, std::vector<std::string>>> all{
        {"^[a-z]{2,5}$", {"ab", "abcde"}},   {"^(foo|bar)+[0-9]?$", {"foo", "foobar7"}},
        {"^\\d{3}-\\d{4}$", {"555-0123"}},   {"^[^a-f]*$", {"", "xyz\"\\", "\xC3\xA9\n"}},
        {"x+y", {"xy", "__xxyz", "\"xy\t"}}, {"^\\w+@\\w+\\.com", {"a@b.com", "q_1@zz.com.au"}},
        {"(a|b)*c$", {"c", "zzabac"}},
    };
    return all;
  }

  Json text_schema() {
    Json schema{{"type", "string"}};
    if (chance(3)) {
      schema["pattern"] = patterns()[below(patterns().size())].first;
      return schema;
    }
    const size_t least = below(4);
    if (chance(2)) schema["minLength"] = least;
    if (chance(2)) schema["maxLength"] = least + below(5);
    return schema;
  }

  Json integer_schema() {
    Json schema{{"type", "integer"}};
    const int64_t least = static_cast<int64_t>(random_() % 3000) - 1500;
    if (chance(2)) schema[chance(3) ? "exclusiveMinimum" : "minimum"] = least;
    if (chance(2))
      schema[chance(3) ? "exclusiveMaximum" : "maximum"] =
          least + 2 + static_cast<int64_t>(random_() % (chance(2) ? 20 : 5000));
    return schema;
  }

  Json number_schema() {
    Json schema{{"type", "number"}};
    const double least = (static_cast<double>(random_() % 40001) - 20000) / 64;
    if (chance(2)) schema[chance(3) ? "exclusiveMinimum" : "minimum"] = least;
    if (chance(2))
      schema[chance(3) ? "exclusiveMaximum" : "maximum"] =
          least + static_cast<double>(1 + random_() % 400) / 8;
    return schema;
  }

  Json list_schema(int depth) {
    Json schema{{"type", "array"}};
    if (chance(4)) schema["prefixItems"] = {made(depth - 1), made(0)};
    if (!chance(4)) schema["items"] = made(depth - 1);
    const size_t least = below(3);
    if (chance(2)) schema["minItems"] = least;
    if (chance(2)) schema["maxItems"] = least + below(4);
    return schema;
  }

  Json object_schema(int depth) {
    static const std::vector<std::string> names{"name", "na",    "age", "\xC3\xA9t\xC3\xA9",
                                                "a\"b", "named", "",    "x/y~z"};
    Json schema{{"type", "object"}, {"properties", Json::object()}};
    Json required = Json::array();
    for (const std::string& name : names) {
      if (!chance(3)) continue;
      schema["properties"][name] = made(depth - 1);
      if (chance(2)) required.push_back(name);
    }
    if (chance(4)) required.push_back("other");
    if (!required.empty()) schema["required"] = required;
    if (chance(3))
      schema["additionalProperties"] = made(0);
    else if (chance(3) && !schema.dump().ends_with("\"other\"]}"))
      schema["additionalProperties"] = false;
    return schema;
  }

  std::string text(const Json& schema) {
    if (schema.contains("pattern"))
      for (const auto& [pattern, texts] : patterns())
        if (schema["pattern"] == pattern) return texts[below(texts.size())];
    static const std::vector<std::string> characters{
        "a", "B",   " ", "\"", "\\", "\n", "\xC3\xA9", "\xE4\xBD\xA0", "\xF0\x9F\x98\x80",
        "/", "\x01"};
    const size_t least = schema.value("minLength", size_t{0});
    const size_t most = schema.value("maxLength", least + 6);
    std::string result;
    for (size_t i = least + below(most - least + 1); i > 0; --i)
      result += characters[below(characters.size())];
    return result;
  }

  Json number(const Json& schema, bool whole) {
    const double step = whole ? 1 : 0.0625;
    const auto said = [&](const char* keyword, const char* exclusive, double sign,
                          double usual) -> double {
      if (schema.contains(keyword)) return schema[keyword].get<double>();
      if (schema.contains(exclusive)) return schema[exclusive].get<double>() + sign * step;
      return usual;
    };
    double least = said("minimum", "exclusiveMinimum", 1, -1e6);
    double most = said("maximum", "exclusiveMaximum", -1, std::max(least, -1e6) + 500);
    if (least == -1e6 && most < 1e6) least = most - 500;
    if (whole)
      return static_cast<int64_t>(least) +
             static_cast<int64_t>(below(static_cast<size_t>(most - least) + 1));
    return chance(2) ? least : most;
  }

  Json list(const Json& schema, const Json& root) {
    Json result = Json::array();
    const size_t prefix = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
    const size_t least = schema.value("minItems", size_t{0});
    size_t most = schema.value("maxItems", least + 3);
    if (prefix > 0 && !schema.contains("items") && least <= prefix) most = std::min(most, prefix);
    const Json any = Json::object();
    for (size_t count = least + below(most - least + 1); result.size() < count;)
      result.push_back(result.size() < prefix ? value(schema["prefixItems"][result.size()], root)
                       : schema.contains("items") ? value(schema["items"], root)
                                                  : value(any, root));
    return result;
  }

  Json object(const Json& schema, const Json& root) {
    Json result = Json::object();
    const Json required = schema.value("required", Json::array());
    const auto is_required = [&](const std::string& name) {
      return std::find(required.begin(), required.end(), name) != required.end();
    };
    for (const auto& [name, one] : schema["properties"].items())
      if (is_required(name) || chance(2)) result[name] = value(one, root);
    const Json others = schema.value("additionalProperties", Json(nullptr));
    if (is_required("other") && !schema["properties"].contains("other"))
      result["other"] = value(others.is_null() ? Json::object() : others, root);
    if (others.is_object() && chance(2)) result["nam"] = value(others, root);
    if (others.is_object() && chance(2)) result["nameless"] = value(others, root);
    return result;
  }

  std::mt19937 random_;
};

}  // namespace falconer::test
