// Numbers between two bounds, digit by digit.
#pragma once

#include <optional>
#include <string>

#include "text/grammar/rules.h"

namespace falconer::grammar {

/// A number as its digits say it.
struct Decimal {
  bool negative = false;
  std::string whole = "0";  // without zeros in front
  std::string fraction;     // without zeros behind

  /// Of a number as JSON spells it. Nothing where it has more than 40 digits before or behind the point.
  static std::optional<Decimal> parse(std::string_view number);
  bool is_zero() const { return whole == "0" && fraction.empty(); }
};

struct NumberRange {
  std::optional<Decimal> least, most;
  bool above_least = false, below_most = false;  // the bound itself is out
  bool whole = false;                            // no fraction
};

/// Spelled without exponents, with at most 18 digits, or 15 where there is a fraction: what a reader makes of them, in 53
/// bits, is then on the right side of the bounds too. Zero has no sign.
void add_number_range(RuleWriter& writer, State from, const NumberRange& range, State to);

}  // namespace falconer::grammar
