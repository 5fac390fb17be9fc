// The keywords of JSON schemas that are supported, and what two of the same name say together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text/grammar/schema.h"

namespace falconer::grammar {

/// Whether it is one that says something about values, besides $ref, allOf, anyOf and oneOf. Errors: it is not supported
/// (named), or its value is of a wrong kind.
bool check_keyword(const std::string& name, const SchemaJson& value, const std::string& where);

/// What fits both; nothing where nothing can. Error: that is not supported for a keyword that both have.
std::optional<SchemaJson> both_of(const SchemaJson& a, const SchemaJson& b,
                                  const std::string& where);

/// "null", "boolean", "object", "array", "number", "string", "integer": those that may fit. A schema without "type" has those
/// that its keywords are about.
std::vector<std::string> types_of(const SchemaJson& plain);
/// Whether the keyword says something about values of the type.
bool is_about(const std::string& keyword, const std::string& type);

/// Whether certainly no value fits both.
bool are_apart(const PlainSchema& a, const PlainSchema& b);

}  // namespace falconer::grammar
