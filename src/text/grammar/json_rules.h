// The rules that all JSON is made of. White space is where a model may want it and never without end: none, a space, or
// a line feed with at most 20 spaces or tabs behind it, after {, [ and comma and before } and ]; none or a space after a
// colon.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text/grammar/rules.h"

namespace falconer::grammar {

/// Each rule is made when it is first asked for.
class JsonRules {
 public:
  explicit JsonRules(RuleWriter& writer) : writer_(writer) {}

  Rule space();
  /// A character beyond ASCII, in UTF-8.
  Rule wide_character();
  /// A character of a text, or an escape of one. Surrogates come in pairs.
  Rule character();
  /// At most 18 digits before the point and 16 behind it, and an exponent of at most 2, so that any reader can hold it.
  Rule number();
  Rule integer();
  Rule object();  // any, as the two that follow
  Rule array();
  Rule value();
  Rule string();

  /// A text with its quotes, of so many characters.
  void add_string(State from, uint32_t least, uint32_t most, State to);
  /// The colon behind a key.
  void add_colon(State from, State to);
  /// A key with its quotes that is none of `taken`, which are spelled as JSON spells them, without quotes. It has no
  /// escapes, which could spell one of them.
  void add_other_key(State from, std::vector<std::string> taken, State to);

 private:
  using Made = std::optional<Rule>;
  void add_digits(State from, size_t least, size_t most, State to);
  void add_whole(State from, State to, bool negative_zero);
  State add_hex(State from, int count);

  RuleWriter& writer_;
  Made space_, wide_, character_, number_, integer_, object_, array_, value_, string_;
};

/// As JSON spells a text, with its quotes and the fewest escapes.
std::string json_spelling(const std::string& text);

}  // namespace falconer::grammar
