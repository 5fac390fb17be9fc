// The regular expressions of a tokenizer.json. `tokenizers` reads them as Oniguruma does, with the
// rules of Ruby; where these differ from PCRE2's they are translated, or refused by name.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/regex.h"

namespace falconer {

/// Immutable; safe to use from many threads.
class Expression {
 public:
  /// Errors: it does not compile, or has a part that would match something else here (named).
  explicit Expression(const std::string& pattern);
  /// Matches this text as it stands and nothing else.
  static Expression of_text(std::string_view text);
  /// A "pattern": {"Regex": ...} or {"String": ...}.
  static Expression from_json(const nlohmann::json& pattern);

  /// The one to search `text` with.
  const Regex& for_text(std::string_view text) const;

 private:
  Regex usual_;
  std::optional<Regex> exact_;  // slower: white space one by one
};

}  // namespace falconer
