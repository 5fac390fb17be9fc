// JSON schemas, draft 2020-12, read and resolved: what stands behind $ref, allOf, anyOf and oneOf is put together, so
// that a schema is a list of plain ones of which one is to fit.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace falconer::grammar {

using SchemaJson = nlohmann::ordered_json;

/// Of one schema that a request brings.
inline constexpr size_t kMostSchemaBytes = size_t{1} << 18;
inline constexpr size_t kMostAlternatives = 1024;  // of one place
inline constexpr size_t kMostExclusive = 128;      // of a oneOf
inline constexpr size_t kMostConstants = 4096;     // of all enums together

/// Errors say where in the schema they are: "at /properties/a: ...".
[[noreturn]] void fail_at(const std::string& where, const std::string& what);

/// A schema without $ref, allOf, anyOf and oneOf, and without what says nothing about values.
struct PlainSchema {
  SchemaJson keywords;  // an object
  std::string where;    // a JSON pointer, for messages
  size_t bytes = 0;     // about as large
};

class SchemaReader {
 public:
  /// `root` outlives this. Errors: it is too large or too deep.
  explicit SchemaReader(const SchemaJson& root);

  /// One of them has to fit. Errors: a keyword that is not supported or has a value of a wrong kind; a $ref that leads
  /// nowhere or comes back without a value between; parts of a oneOf that may fit both; too many.
  std::vector<PlainSchema> alternatives(const SchemaJson& schema, const std::string& where) const;

 private:
  using References = std::vector<std::string>;  // that are being followed
  std::vector<PlainSchema> read(const SchemaJson& schema, const std::string& where,
                                References& references) const;
  std::vector<PlainSchema> read_reference(const SchemaJson& reference, const std::string& where,
                                          References& references) const;
  std::vector<PlainSchema> read_any(const SchemaJson& list, const std::string& where, bool one,
                                    References& references) const;

  /// Of what is copied in all: small schemas that refer to each other can stand for large ones.
  void count(size_t bytes, const std::string& where) const;

  const SchemaJson& root_;
  mutable size_t copied_ = 0;
};

/// A JSON pointer's next part.
std::string pointer_to(const std::string& where, std::string_view name);

}  // namespace falconer::grammar
