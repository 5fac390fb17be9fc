// Most tests expect messages as the program says them. The library's own spelling is that of SpelledAs.
#include "support/spelling.h"

namespace falconer::test {
namespace {

[[maybe_unused]] const bool kAsTheProgram = [] {
  set_spelling(Spelling::kFlags);
  return true;
}();

}  // namespace
}  // namespace falconer::test
