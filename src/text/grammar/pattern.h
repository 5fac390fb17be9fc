// Regular expressions of JSON schemas ("pattern"), as JSON texts that match them. The part of ECMA-262 that is read:
// characters and escapes of them, ., classes with \d \w \s and their opposites, groups, |, and the quantifiers
// * + ? {m} {m,} {m,n}, lazy ones too; ^ at the start and $ at the end. Without these the match may stand anywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/json_rules.h"

namespace falconer::grammar {

inline constexpr char32_t kLastCode = 0x10FFFF;

/// Characters from `low` to `high`, both included.
struct CodeRange {
  char32_t low = 0, high = 0;
};

/// What an expression is made of.
struct PatternNode {
  enum Kind : uint8_t { kCharacters, kSequence, kEither, kRepeat };
  Kind kind = kSequence;
  std::vector<CodeRange> characters;  // of kCharacters: sorted, apart from each other
  std::vector<PatternNode> parts;
  uint32_t least = 0, most = 0;  // of kRepeat; kAnyRoom: without end
};

/// Errors: it is no such expression, or has a part that is not supported, which they name.
PatternNode parse_pattern(std::string_view pattern);

/// A text with its quotes that matches, of so many characters; each spelled with the fewest escapes. Error: too many
/// states.
void add_pattern(RuleWriter& writer, JsonRules& rules, const PatternNode& pattern, State from,
                 uint32_t least, uint32_t most, State to);

}  // namespace falconer::grammar
