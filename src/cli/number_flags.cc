#include "cli/number_flags.h"

#include <type_traits>

#include "base/number.h"

namespace falconer::cli {
namespace {

template <class Number>
std::string problem(const std::optional<Number>& number, const std::string& text,
                    const char* expected) {
  return number ? std::string() : "\"" + text + "\" is not " + expected;
}

}  // namespace

const char* type_of(const Flag& flag) {
  switch (flag.value.index()) {
    case 2:   // int
    case 3:   // int64_t
    case 7:   // optional<int64_t>
    case 10:  // vector<int32_t>
      return "INT";
    case 4:
      return "UINT";
    case 5:  // double
    case 8:  // optional<double>
      return "FLOAT";
    default:
      return "TEXT";
  }
}

std::string number_problem(const Flag& flag, const std::string& text) {
  const std::string type = flag.traits.size ? "SIZE" : type_of(flag);
  if (type == "INT")
    return problem(whole_of_text(text), text, "a whole number, or too large for one");
  if (type == "UINT")
    return problem(unsigned_of_text(text), text, "a whole number from 0 to 18446744073709551615");
  if (type == "FLOAT") return problem(real_of_text(text), text, "a finite number");
  return "";
}

}  // namespace falconer::cli
