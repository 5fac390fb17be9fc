#include "text/grammar/number_range.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/number.h"

namespace falconer::grammar {
namespace {

constexpr size_t kMostWholeDigits = 18, kMostExactDigits = 15;
constexpr size_t kMostBoundDigits = 40;

/// Numbers without a sign.
struct Magnitudes {
  Decimal least;
  std::optional<Decimal> most;
  bool above_least = false, below_most = false, whole = false;
};

class MagnitudeWriter {
 public:
  MagnitudeWriter(RuleWriter& writer, const Magnitudes& range, State to)
      : writer_(writer), range_(range), to_(to) {}

  void add(State from) {
    const size_t shortest = range_.least.whole.size();
    const size_t longest =
        std::min(range_.most ? range_.most->whole.size() : kMostWholeDigits, kMostWholeDigits);
    for (size_t length = shortest; length <= longest; ++length)
      add_whole(from, {.length = length,
                       .at = 0,
                       .low = length == shortest,
                       .high = range_.most && length == range_.most->whole.size()});
  }

 private:
  /// How far a number is written, and whether it is so far as a bound is.
  struct Point {
    size_t length = 0, at = 0;  // digits before the point, or behind it
    bool low = false, high = false;
    auto key() const { return std::tie(length, at, low, high); }
    bool operator<(const Point& other) const { return key() < other.key(); }
  };

  // The next digit, a range of those that lead to the same place at a time.
  template <class Follow>
  void add_digit(State from, const Point& point, char low_bound, char high_bound, char first,
                 const Follow& follow) {
    const char low = std::max(point.low ? low_bound : '0', first);
    const char high = point.high ? high_bound : '9';
    for (char digit = low; digit <= high;) {
      Point next = point;
      next.at = point.at + 1;
      next.low = point.low && digit == low_bound;
      next.high = point.high && digit == high_bound;
      char last = digit;
      if (!next.low && !next.high) last = static_cast<char>(point.high ? high_bound - 1 : high);
      writer_.add_bytes(from, static_cast<uint8_t>(digit), static_cast<uint8_t>(last),
                        follow(next));
      digit = static_cast<char>(last + 1);
    }
  }

  void add_whole(State from, const Point& point) {
    if (point.at == point.length) {
      if (may_end(point, 0)) writer_.add_nothing(from, to_);
      if (!range_.whole && point.length < kMostExactDigits)
        add_fraction(writer_.add_text(from, "."),
                     {.length = point.length, .at = 0, .low = point.low, .high = point.high});
      return;
    }
    const char low = point.low ? range_.least.whole[point.at] : '0';
    const char high = point.high ? range_.most->whole[point.at] : '9';
    const char first = point.at == 0 && point.length > 1 ? '1' : '0';
    add_digit(from, point, low, high, first, [&](const Point& next) {
      const auto [place, is_new] = wholes_.try_emplace(next, 0);
      if (is_new) {
        place->second = writer_.add_state();
        const State state = place->second;
        add_whole(state, next);
        return state;
      }
      return place->second;
    });
  }

  void add_fraction(State from, const Point& point) {
    if (point.at > 0 && may_end(point, point.at)) writer_.add_nothing(from, to_);
    if (point.length + point.at == kMostExactDigits) return;
    const auto bound = [&](const std::string& fraction) {
      return point.at < fraction.size() ? fraction[point.at] : '0';
    };
    const char low = point.low ? bound(range_.least.fraction) : '0';
    const char high = point.high ? bound(range_.most->fraction) : '9';
    add_digit(from, point, low, high, '0', [&](const Point& next) {
      const auto [place, is_new] = fractions_.try_emplace(next, 0);
      if (is_new) {
        place->second = writer_.add_state();
        const State state = place->second;
        add_fraction(state, next);
        return state;
      }
      return place->second;
    });
  }

  // Where it is a bound so far, its value is that bound, or lies before what is left of it.
  bool may_end(const Point& point, size_t digits) const {
    if (point.low && (range_.least.fraction.size() > digits || range_.above_least)) return false;
    return !point.high || range_.most->fraction.size() > digits || !range_.below_most;
  }

  RuleWriter& writer_;
  const Magnitudes& range_;
  State to_;
  std::map<Point, State> wholes_, fractions_;
};

Decimal without_sign(Decimal value) {
  value.negative = false;
  return value;
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view number) {
  Decimal result;
  if (number.starts_with('-')) {
    result.negative = true;
    number.remove_prefix(1);
  }
  const size_t e = number.find_first_of("eE");
  int64_t exponent = 0;
  if (e != std::string_view::npos) {
    std::string_view text = number.substr(e + 1);
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto value = whole_of_text(text);
    if (!value || !WholeRange{-400, 400}.holds(*value)) return std::nullopt;
    exponent = *value;
    number = number.substr(0, e);
  }
  const size_t point = std::min(number.find('.'), number.size());
  std::string digits(number.substr(0, point));
  const std::string_view behind = number.substr(std::min(point + 1, number.size()));
  int64_t place = static_cast<int64_t>(point) + exponent;  // of the point in `digits`
  digits += behind;
  if (place < 0) {
    digits.insert(0, static_cast<size_t>(-place), '0');
    place = 0;
  }
  if (place > static_cast<int64_t>(digits.size())) digits.resize(static_cast<size_t>(place), '0');
  result.whole = digits.substr(0, static_cast<size_t>(place));
  result.whole.erase(0, std::min(result.whole.find_first_not_of('0'), result.whole.size()));
  if (result.whole.empty()) result.whole = "0";
  result.fraction = digits.substr(static_cast<size_t>(place));
  result.fraction.resize(result.fraction.find_last_not_of('0') + 1);
  if (result.whole.size() > kMostBoundDigits || result.fraction.size() > kMostBoundDigits)
    return std::nullopt;
  if (result.is_zero()) result.negative = false;
  return result;
}

void add_number_range(RuleWriter& writer, State from, const NumberRange& range, State to) {
  const bool least_below = !range.least || range.least->negative;
  if (least_below) {  // the negative ones: the bounds change places
    Magnitudes magnitudes{.least = Decimal(), .above_least = true, .whole = range.whole};
    if (range.most && range.most->negative) {
      magnitudes.least = without_sign(*range.most);
      magnitudes.above_least = range.below_most;
    }
    if (range.least) {
      magnitudes.most = without_sign(*range.least);
      magnitudes.below_most = range.above_least;
    }
    MagnitudeWriter(writer, magnitudes, to).add(writer.add_text(from, "-"));
  }
  if (range.most && range.most->negative) return;
  Magnitudes magnitudes{.most = range.most, .below_most = range.below_most, .whole = range.whole};
  if (!least_below) {
    magnitudes.least = *range.least;
    magnitudes.above_least = range.above_least;
  }
  MagnitudeWriter(writer, magnitudes, to).add(from);
}

}  // namespace falconer::grammar
