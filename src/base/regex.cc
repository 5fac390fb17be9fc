#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include <pcre2.h>

#include "base/error.h"

namespace falconer {
namespace {

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

// An expression comes with a tokenizer that nobody has vouched for. Those of known tokenizers take
// some tens of steps at a place of the text.
constexpr uint32_t kMostSteps = 100'000, kMostHeapKiB = 1 << 14;
constexpr size_t kLongestPattern = 1 << 14;

struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

pcre2_match_context* match_limits() {
  static const auto context = [] {
    std::unique_ptr<pcre2_match_context, FreeContext> made(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(made.get(), kMostSteps);
    pcre2_set_heap_limit(made.get(), kMostHeapKiB);
    return made;
  }();
  return context.get();
}

}  // namespace

struct Regex::Impl {
  std::string pattern;
  pcre2_code* code = nullptr;
  ~Impl() { pcre2_code_free(code); }
};

Regex::Regex(const std::string& pattern) : impl_(std::make_unique<Impl>()) {
  impl_->pattern = pattern;
  if (pattern.size() > kLongestPattern)
    fail("a regular expression has {} bytes; expected at most {}", pattern.size(), kLongestPattern);
  int error = 0;
  PCRE2_SIZE where = 0;
  // \C would match a part of a character, which nothing behind it could take apart.
  impl_->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &where, nullptr);
  if (impl_->code == nullptr)
    fail("the regular expression \"{}\" is wrong at character {}: {}", pattern, where,
         message_of(error));
  pcre2_jit_compile(impl_->code, PCRE2_JIT_COMPLETE);  // where there is no JIT, matching interprets
}
Regex::Regex(Regex&&) noexcept = default;
Regex::~Regex() = default;

Regex::Span Regex::find(std::string_view text, size_t from) const {
  const thread_local std::unique_ptr<pcre2_match_data, FreeMatch> match(
      pcre2_match_data_create(1, nullptr));
  const int found = pcre2_match(impl_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                from, PCRE2_NO_UTF_CHECK, match.get(), match_limits());
  if (found == PCRE2_ERROR_NOMATCH) return {};
  if (found < 0)
    fail("the regular expression \"{}\" gave up on a text of {} bytes: {}", impl_->pattern,
         text.size(), message_of(found));
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(match.get());
  return {span[0], span[1]};
}

}  // namespace falconer
