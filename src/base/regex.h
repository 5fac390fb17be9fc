// A compiled regular expression over UTF-8 (PCRE2), as the Split steps of tokenizer.json use them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace falconer {

/// Immutable; safe to use from many threads.
class Regex {
 public:
  /// Unicode classes are on. Error: the pattern does not compile.
  explicit Regex(const std::string& pattern);
  Regex(Regex&&) noexcept;
  ~Regex();

  /// A match [begin, end) at or after `from`; begin = npos where there is none. `text` is valid
  /// UTF-8 and `from` a character's beginning. Error: the match takes too much work.
  struct Span {
    size_t begin = std::string_view::npos, end = 0;
  };
  Span find(std::string_view text, size_t from) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace falconer
