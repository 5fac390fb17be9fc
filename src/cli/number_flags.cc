#include "cli/number_flags.h"

#include <type_traits>

#include "base/number.h"

namespace falconer::cli {
namespace {

template <class Type, class... Types>
constexpr bool is_one_of = (std::is_same_v<Type, Types> || ...);

template <class Number>
std::string problem(const std::optional<Number>& number, const std::string& text,
                    const char* expected) {
  return number ? std::string() : "\"" + text + "\" is not " + expected;
}

}  // namespace

const char* number_type_of(const Flag& flag) {
  return std::visit(
      [](auto value) {
        using Value = decltype(value);
        if constexpr (is_one_of<Value, int*, int64_t*, std::optional<int64_t>*,
                                std::vector<int32_t>*>)
          return "INT";
        else if constexpr (is_one_of<Value, double*, std::optional<double>*>)
          return "FLOAT";
        else
          return std::is_same_v<Value, uint64_t*> ? "UINT" : "TEXT";
      },
      flag.value);
}

std::string number_problem(const Flag& flag, const std::string& text) {
  const std::string type = flag.traits.size ? "SIZE" : number_type_of(flag);
  if (type == "INT")
    return problem(whole_of_text(text), text, "a whole number, or too large for one");
  if (type == "UINT")
    return problem(unsigned_of_text(text), text, "a whole number from 0 to 18446744073709551615");
  if (type == "FLOAT") return problem(real_of_text(text), text, "a finite number");
  return "";
}

}  // namespace falconer::cli
