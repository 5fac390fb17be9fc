#include "parquet/cell.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/json_text.h"
#include "parquet/damage.h"

namespace falconer::parquet {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kSecondsOfDay = 86400;
constexpr int64_t kNanosOfSecond = 1'000'000'000;

struct Quotient {
  int64_t whole, rest;  // 0 <= rest < divisor
};
Quotient floor_divide(int64_t value, int64_t divisor) {
  int64_t whole = value / divisor, rest = value % divisor;
  if (rest < 0) {
    rest += divisor;
    --whole;
  }
  return {whole, rest};
}

/// Days from 1970-01-01 in the calendar that ISO 8601 goes by. Years are counted from March, so that a leap
/// day is a year's last; 400 of them have 146097 days.
std::string date_text(int64_t days) {
  const auto [era, day] = floor_divide(days + 719468, 146097);
  const int64_t year_of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  const int64_t day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t from_march = (5 * day_of_year + 2) / 153;
  const int64_t day_of_month = day_of_year - (153 * from_march + 2) / 5 + 1;
  const int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return fmt::format("{:04}-{:02}-{:02}", year, month, day_of_month);
}

int64_t ticks_of_second(int unit) {
  return unit == 1 ? 1000 : unit == 2 ? 1'000'000 : kNanosOfSecond;
}

/// Without a fraction where it is 0; else with all digits of the unit.
std::string clock_text(int64_t seconds, int64_t fraction, int unit) {
  std::string text =
      fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (fraction != 0) text += fmt::format(".{:0{}}", fraction, unit * 3);
  return text;
}

std::string time_text(int64_t ticks, const LogicalType& type) {
  const auto [seconds, fraction] = floor_divide(ticks, ticks_of_second(type.unit));
  return clock_text(floor_divide(seconds, kSecondsOfDay).rest, fraction, type.unit);
}

std::string timestamp_text(int64_t ticks, const LogicalType& type) {
  const auto [seconds, fraction] = floor_divide(ticks, ticks_of_second(type.unit));
  const auto [days, second] = floor_divide(seconds, kSecondsOfDay);
  return date_text(days) + "T" + clock_text(second, fraction, type.unit) + (type.utc ? "Z" : "");
}

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
  return value;
}

/// Nanoseconds of a day, and the day by Julian's count: how Spark and Impala once wrote times.
std::string int96_text(std::string_view bytes) {
  constexpr int64_t kJulianDayOfEpoch = 2440588;
  const auto nanos = static_cast<int64_t>(little_endian(bytes.substr(0, 8)));
  const auto day = static_cast<int32_t>(little_endian(bytes.substr(8, 4)));
  const auto [days, of_day] = floor_divide(nanos, kSecondsOfDay * kNanosOfSecond);
  return date_text(day - kJulianDayOfEpoch + days) + "T" +
         clock_text(of_day / kNanosOfSecond, of_day % kNanosOfSecond, 3);
}

/// A number of 16 bits, as IEEE 754 has it.
double half_of(uint64_t bits) {
  const auto mantissa = static_cast<double>(bits & 0x3FF);
  const int exponent = static_cast<int>(bits >> 10 & 0x1F);
  double value =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  if (exponent == 31) value = mantissa == 0 ? INFINITY : NAN;
  return bits >> 15 ? -value : value;
}

/// Digits of a whole number that stands in two's complement, its highest byte first.
std::string digits_of(std::string_view bytes, bool& negative) {
  std::string left(bytes);
  negative = !left.empty() && static_cast<signed char>(left[0]) < 0;
  if (negative) {
    int carry = 1;
    for (size_t i = left.size(); i > 0; --i) {
      const int byte = (~left[i - 1] & 0xFF) + carry;
      left[i - 1] = static_cast<char>(byte);
      carry = byte >> 8;
    }
  }
  std::string digits;
  while (left.find_first_not_of('\0') != std::string::npos) {
    int rest = 0;
    for (char& byte : left) {
      const int now = rest << 8 | static_cast<unsigned char>(byte);
      byte = static_cast<char>(now / 10);
      rest = now % 10;
    }
    digits += static_cast<char>('0' + rest);
  }
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string decimal_text(const Value& value, const Leaf& leaf) {
  constexpr size_t kLongest = 32;
  std::string big_endian(value.bytes);
  if (leaf.physical == Physical::kInt32 || leaf.physical == Physical::kInt64) {
    big_endian.resize(8);
    for (size_t i = 0; i < 8; ++i)
      big_endian[i] = static_cast<char>(static_cast<uint64_t>(value.integer) >> (56 - 8 * i));
  }
  if (big_endian.size() > kLongest)
    fail("has a decimal of {} bytes, at most {} are read; write it as text", big_endian.size(),
         kLongest);
  bool negative = false;
  std::string digits = digits_of(big_endian, negative);
  const auto scale = static_cast<size_t>(leaf.logical.scale);
  if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
  if (scale > 0) digits.insert(digits.size() - scale, ".");
  return (negative ? "-" : "") + digits;
}

std::string uuid_text(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(bytes[i]));
  }
  return text;
}

ordered_json parsed_json(std::string_view text, const Leaf& leaf, std::string& wrong) {
  ordered_json made = parse_ordered_json(text);
  const auto say = [&](const std::string& what) {
    if (wrong.empty()) wrong = fmt::format("\"{}\": {}", printable(leaf.path), what);
  };
  if (made.is_discarded()) {
    const std::string excess = json_excess(text, true);
    say(excess.empty() ? "is not valid JSON, and the file says that it is" : excess);
    return nullptr;
  }
  if (const auto key = repeated_key(text, made)) say(repeated_key_text(*key));
  return made;
}

}  // namespace

ordered_json cell_of(const Value& value, const Leaf& leaf, std::string& wrong) {
  switch (leaf.logical.kind) {
    case Logical::kNull:
      return nullptr;
    case Logical::kJson:
      return parsed_json(value.bytes, leaf, wrong);
    case Logical::kDecimal:
      if (leaf.physical == Physical::kFloat || leaf.physical == Physical::kDouble) break;
      return decimal_text(value, leaf);
    case Logical::kDate:
      return date_text(value.integer);
    case Logical::kTime:
      return time_text(value.integer, leaf.logical);
    case Logical::kTimestamp:
      return timestamp_text(value.integer, leaf.logical);
    case Logical::kUuid:
      return uuid_text(value.bytes);
    case Logical::kHalf:
      return half_of(little_endian(value.bytes));
    case Logical::kInteger:
      if (leaf.logical.is_signed) break;
      return leaf.physical == Physical::kInt32 ? ordered_json(static_cast<uint32_t>(value.integer))
                                               : ordered_json(static_cast<uint64_t>(value.integer));
    default:
      break;
  }
  switch (leaf.physical) {
    case Physical::kBoolean:
      return value.integer != 0;
    case Physical::kInt32:
    case Physical::kInt64:
      return value.integer;
    case Physical::kFloat:
    case Physical::kDouble:
      return value.real;
    case Physical::kInt96:
      return int96_text(value.bytes);
    default:
      return value.bytes;
  }
}

}  // namespace falconer::parquet
