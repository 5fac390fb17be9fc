// Messages as users of the library read them.
#pragma once

#include "base/spelling.h"

namespace falconer::test {

/// While it lives messages are spelled so.
class SpelledAs {
 public:
  explicit SpelledAs(Spelling spelling) : before_(current_spelling()) { set_spelling(spelling); }
  SpelledAs(const SpelledAs&) = delete;
  SpelledAs& operator=(const SpelledAs&) = delete;
  ~SpelledAs() { set_spelling(before_); }

 private:
  Spelling before_;
};

}  // namespace falconer::test
