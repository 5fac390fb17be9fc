// What a number may be: ranges that flags, settings and foreign files declare, and numbers in text.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace falconer {

/// Whole numbers from `least` to `most`, both included.
struct WholeRange {
  int64_t least = std::numeric_limits<int64_t>::min();
  int64_t most = std::numeric_limits<int64_t>::max();

  bool holds(int64_t value) const { return value >= least && value <= most; }
};

/// Finite numbers from `least` to `most`; both included unless they are open. Never holds NaN.
struct RealRange {
  double least = std::numeric_limits<double>::lowest();
  double most = std::numeric_limits<double>::max();
  bool open_least = false, open_most = false;

  bool holds(double value) const {
    return (open_least ? value > least : value >= least) &&
           (open_most ? value < most : value <= most);
  }
};

inline constexpr WholeRange kAnyWhole{};
inline constexpr WholeRange kNotNegative{.least = 0};
inline constexpr RealRange kAnyReal{};
inline constexpr RealRange kNotNegativeReal{.least = 0};

/// To follow "expected": "a whole number from 1 to 4096", "a number above 0 and below 1".
std::string expectation(const WholeRange& range);
std::string expectation(const RealRange& range);

/// The whole text as a decimal number ("12", "-3", "+1"; for reals "1e-4" and ".5" too). Nothing where
/// it is anything else or beyond what the type holds: "2.5" and "true" are no whole numbers, "-1" is
/// no unsigned one, "nan", "inf" and "1e400" are no reals.
std::optional<int64_t> whole_of_text(std::string_view text);
std::optional<uint64_t> unsigned_of_text(std::string_view text);
std::optional<double> real_of_text(std::string_view text);

}  // namespace falconer
