#include "cli/number_flags.h"

#include <algorithm>
#include <type_traits>

#include "base/number.h"
#include "base/small_letters.h"

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

std::string to_bytes(std::string& text) {
  constexpr std::string_view kUnits = "kmgtpe";
  const std::string small = small_letters(text);
  const size_t digits = std::min(small.find_first_not_of("+0123456789"), small.size());
  std::string_view unit = std::string_view(small).substr(digits);
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const size_t power = unit.empty() ? 0 : kUnits.find(unit.front()) + 1;  // 0: of no such unit
  if (power > 0) unit.remove_prefix(1);
  const int64_t base = power > 0 && unit.starts_with('i') ? 1024 : 1000;
  if (base == 1024) unit.remove_prefix(1);
  const auto number = whole_of_text(std::string_view(small).substr(0, digits));
  int64_t bytes = number.value_or(0);
  bool fits = number.has_value() && (unit.empty() || unit == "b");
  for (size_t i = 0; i < power && fits; ++i) fits = !__builtin_mul_overflow(bytes, base, &bytes);
  if (!fits)
    return "\"" + text +
           "\" is not a size; expected a whole number of bytes, or of a unit, as 500MB, 5GB or "
           "4GiB";
  text = std::to_string(bytes);
  return "";
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
