// Grammars of JSON: of any object, and of what a JSON schema allows.
//
// A grammar has fewer texts than its schema has values, never others: white space as in json_rules.h; properties in the
// order of the schema; texts, numbers and keys as json_rules.h spells them; values of "enum" and "const" as they stand
// there; texts with a "pattern" or "format" with the fewest escapes. An object that lists "properties" has no others
// unless "additionalProperties" says so, nor has a list with "prefixItems" without "items". A schema without "type" is about the types that its other keywords are about.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "text/grammar/rules.h"

namespace falconer::grammar {

/// Any object. Here and below a text may begin with one space or line feed, which some models want.
std::shared_ptr<const Grammar> any_json_object();

/// Supported are type, enum, const, properties, required, additionalProperties, items, prefixItems, minItems, maxItems,
/// minLength, maxLength, pattern (pattern.h), format (see json_formats()), minimum, maximum, exclusiveMinimum,
/// exclusiveMaximum, anyOf, oneOf (of schemas that no value fits two of, as far as their types and constants tell),
/// allOf, and $ref within the schema, back to where it comes from too. Errors name another keyword, or what is wrong, and
/// where it is: "the JSON schema: at /properties/a: ...".
std::shared_ptr<const Grammar> json_schema_grammar(const nlohmann::ordered_json& schema);

/// The names that "format" may have.
std::vector<std::string> json_formats();

}  // namespace falconer::grammar
