#include "text/grammar/schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "text/grammar/schema_keywords.h"

namespace falconer::grammar {
namespace {

constexpr size_t kMostCopied = size_t{16} << 20;  // bytes

size_t count_constants(const SchemaJson& json) {
  size_t count = 0;
  for (const auto& [name, value] : json.items()) {
    if (json.is_object() && name == "enum" && value.is_array()) count += value.size();
    if (value.is_structured()) count += count_constants(value);
  }
  return count;
}

std::string text_of(const SchemaJson& json) { return json_text(json); }

}  // namespace

void fail_at(const std::string& where, const std::string& what) {
  fail("at {}: {}", where.empty() ? std::string("its root") : printable(where), what);
}

std::string pointer_to(const std::string& where, std::string_view name) {
  std::string result = where + "/";
  for (const char c : name) {
    if (c == '~')
      result += "~0";
    else if (c == '/')
      result += "~1";
    else
      result += c;
  }
  return result;
}

SchemaReader::SchemaReader(const SchemaJson& root) : root_(root) {
  const std::string text = text_of(root);
  if (text.size() > kMostSchemaBytes)
    fail("it has {} bytes; at most {} are read", text.size(), kMostSchemaBytes);
  if (const std::string excess = json_excess(text, true); !excess.empty()) fail("it {}", excess);
  if (!root.is_structured()) return;
  if (const size_t count = count_constants(root); count > kMostConstants)
    fail("its enums have {} values; at most {} are supported", count, kMostConstants);
}

void SchemaReader::count(size_t bytes, const std::string& where) const {
  copied_ += bytes + 64;
  if (copied_ > kMostCopied)
    fail_at(where, "what its references and alternatives stand for is too large; make it smaller");
}

std::vector<PlainSchema> SchemaReader::alternatives(const SchemaJson& schema,
                                                    const std::string& where) const {
  References references;
  return read(schema, where, references);
}

std::vector<PlainSchema> SchemaReader::read(const SchemaJson& schema, const std::string& where,
                                            References& references) const {
  if (schema.is_boolean()) {
    if (!schema.get<bool>()) return {};
    return {{SchemaJson::object(), where, 0}};
  }
  if (!schema.is_object())
    fail_at(where,
            fmt::format("is {}, expected a schema: an object, true or false", found_text(schema)));
  PlainSchema own{SchemaJson::object(), where, 0};
  for (const auto& [name, value] : schema.items())
    if (check_keyword(name, value, where)) own.keywords[name] = value;
  own.bytes = text_of(own.keywords).size();
  count(own.bytes, where);
  std::vector<PlainSchema> result{std::move(own)};
  const auto combine = [&](const std::vector<PlainSchema>& others) {
    std::vector<PlainSchema> both;
    for (const PlainSchema& a : result)
      for (const PlainSchema& b : others) {
        if (both.size() >= kMostAlternatives)
          fail_at(where, fmt::format("stands for more than {} schemas; make it smaller",
                                     kMostAlternatives));
        count(a.bytes + b.bytes, where);
        // What is written here counts for its place, unless there is nothing.
        auto keywords = both_of(a.keywords, b.keywords, where);
        if (keywords)
          both.push_back(
              {*std::move(keywords), a.keywords.empty() ? b.where : a.where, a.bytes + b.bytes});
      }
    result = std::move(both);
  };
  if (const auto found = schema.find("$ref"); found != schema.end())
    combine(read_reference(*found, pointer_to(where, "$ref"), references));
  if (const auto found = schema.find("allOf"); found != schema.end()) {
    const std::string all = pointer_to(where, "allOf");
    for (size_t i = 0; i < found->size(); ++i)
      combine(read((*found)[i], pointer_to(all, std::to_string(i)), references));
  }
  for (const char* name : {"anyOf", "oneOf"})
    if (const auto found = schema.find(name); found != schema.end())
      combine(
          read_any(*found, pointer_to(where, name), std::string_view(name) == "oneOf", references));
  return result;
}

std::vector<PlainSchema> SchemaReader::read_reference(const SchemaJson& reference,
                                                      const std::string& where,
                                                      References& references) const {
  const std::string target = reference.get<std::string>();
  if (!target.starts_with('#') || (target.size() > 1 && target[1] != '/'))
    fail_at(where, fmt::format("refers to \"{}\"; supported is what begins with # or #/, within "
                               "this schema",
                               printable(target)));
  if (std::find(references.begin(), references.end(), target) != references.end())
    fail_at(where, fmt::format("refers to \"{}\", which refers to itself with no value between",
                               printable(target)));
  if (references.size() >= kMostAlternatives)
    fail_at(where, "is at the end of too many references");
  const SchemaJson* found = nullptr;
  try {
    const nlohmann::json_pointer<std::string> pointer(target.substr(1));
    if (root_.contains(pointer)) found = &root_.at(pointer);
  } catch (const SchemaJson::exception&) {
  }
  if (found == nullptr)
    fail_at(where, fmt::format("refers to \"{}\", which is not there", printable(target)));
  references.push_back(target);
  auto result = read(*found, target.substr(1), references);
  references.pop_back();
  return result;
}

std::vector<PlainSchema> SchemaReader::read_any(const SchemaJson& list, const std::string& where,
                                                bool one, References& references) const {
  std::vector<std::vector<PlainSchema>> parts;
  std::vector<PlainSchema> result;
  if (one && list.size() > kMostExclusive)
    fail_at(where, fmt::format("has {} schemas; a oneOf may have {}", list.size(), kMostExclusive));
  for (size_t i = 0; i < list.size(); ++i) {
    auto part = read(list[i], pointer_to(where, std::to_string(i)), references);
    if (one)
      for (size_t j = 0; j < parts.size(); ++j)
        for (const PlainSchema& a : parts[j])
          for (const PlainSchema& b : part)
            if (!are_apart(a, b))
              fail_at(where, fmt::format("has {} and {}, which the same value may fit, and oneOf "
                                         "forbids that; use anyOf, or give both a required "
                                         "property with another const each",
                                         j, i));
    result.insert(result.end(), part.begin(), part.end());
    if (result.size() > kMostAlternatives)
      fail_at(where,
              fmt::format("stands for more than {} schemas; make it smaller", kMostAlternatives));
    if (one) parts.push_back(std::move(part));
  }
  return result;
}

}  // namespace falconer::grammar
