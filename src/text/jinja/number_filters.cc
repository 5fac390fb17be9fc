// Filters of chat templates that are about numbers, and the way to a member that a path names.
#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "base/error.h"
#include "text/jinja/layout.h"
#include "text/jinja/library.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"

namespace falconer {
using Kind = JinjaValue::Kind;
namespace {

using P = JinjaParameters;

/// The figures of a number as Python reads it: without white space around, and "_" between figures.
std::optional<std::string> figures_of(const JinjaString& string, JinjaHeap& h) {
  std::string made;
  const std::string_view bytes = jinja_strip(string, "", "both", h).string->bytes;
  h.step(static_cast<int64_t>(bytes.size() / 16));
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto figure = [&](size_t at) {
      return at < bytes.size() && std::isalnum(static_cast<unsigned char>(bytes[at])) != 0;
    };
    if (bytes[i] != '_')
      made += bytes[i];
    else if (i == 0 || !figure(i - 1) || !figure(i + 1))
      return {};
  }
  return made;
}

/// int(text, base): a sign, 0x or the like, figures. Error: it takes more than 64 bits.
std::optional<int64_t> parsed_whole(std::string_view text, int64_t base) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const char mark = text.size() > 2 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  const int64_t marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
  if (marked != 0 && (base == marked || base == 0)) {
    text.remove_prefix(2);
    base = marked;
  } else if (base == 0) {
    if (text.starts_with('0') && text.find_first_not_of('0') != std::string_view::npos) return {};
    base = 10;
  }
  uint64_t number = 0;
  const auto read =
      std::from_chars(text.data(), text.data() + text.size(), number, static_cast<int>(base));
  if (text.empty() || read.ptr != text.data() + text.size()) return {};
  if (read.ec != std::errc() || number > static_cast<uint64_t>(INT64_MAX) + negative)
    fail("int: a number is too large");
  return static_cast<int64_t>(negative ? 0 - number : number);
}

std::optional<double> parsed_real(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  if (text.find('(') != std::string_view::npos) return {};  // nan(...) is not Python's
  double real = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), real);
  if (text.empty() || read.ptr != text.data() + text.size()) return {};
  if (read.ec == std::errc::result_out_of_range)
    return std::strtod(std::string(text).c_str(), nullptr);
  return real;
}

JinjaValue to_integer(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const int64_t base = p.integer(1, 10);
  if (base != 0 && (base < 2 || base > 36))
    fail("int: base {} is not supported, only 2 to 36, and 0", base);
  if (v.is_integral()) return JinjaValue::of(v.as_integer());
  std::optional<double> real;
  if (v.is(Kind::kFloat)) real = v.real;
  if (v.is(Kind::kString)) {
    const std::optional<std::string> text = figures_of(*v.string, h);
    const std::optional<int64_t> whole = text ? parsed_whole(*text, base) : std::nullopt;
    if (whole) return JinjaValue::of(*whole);
    if (text) real = parsed_real(*text);
  }
  if (real && std::isfinite(*real)) {
    if (!(std::fabs(*real) < 9.2e18)) fail("int: a number is too large");
    return JinjaValue::of(static_cast<int64_t>(*real));
  }
  return p.find(0) != nullptr ? *p.find(0) : JinjaValue::of(int64_t{0});
}

JinjaValue to_real(const JinjaValue& v, const P& p, JinjaHeap& h) {
  if (v.is_number()) return JinjaValue::of(v.as_real());
  if (v.is(Kind::kString)) {
    const std::optional<std::string> text = figures_of(*v.string, h);
    const std::optional<double> real = text ? parsed_real(*text) : std::nullopt;
    if (real) return JinjaValue::of(*real);
  }
  return p.find(0) != nullptr ? *p.find(0) : JinjaValue::of(0.0);
}

JinjaValue absolute(const JinjaValue& v, const P&, JinjaHeap&) {
  if (v.is(Kind::kFloat)) return JinjaValue::of(std::fabs(v.real));
  if (!v.is_integral()) fail("abs of {} is not defined", jinja_kind(v));
  return v.as_integer() < 0 ? jinja_negative(v) : JinjaValue::of(v.as_integer());
}

/// round(number, places): half to even, by the digits that the number has.
JinjaValue rounded(const JinjaValue& v, int64_t places, JinjaHeap& h) {
  const double scale = std::pow(10.0, static_cast<double>(-places));
  if (v.is_integral()) {
    const int64_t whole = v.as_integer();
    if (places >= 0) return JinjaValue::of(whole);
    if (places < -18) return JinjaValue::of(int64_t{0});
    const auto unit = static_cast<int64_t>(scale);
    const int64_t rest = whole % unit, half = std::abs(rest) * 2;
    const bool away = half > unit || (half == unit && whole / unit % 2 != 0);
    return jinja_arithmetic("+", JinjaValue::of(whole - rest),
                            JinjaValue::of(away ? (whole < 0 ? -unit : unit) : int64_t{0}), h);
  }
  if (!std::isfinite(v.real) || places > 320) return v;
  if (places < 0) return JinjaValue::of(std::nearbyint(v.real / scale) * scale);
  return JinjaValue::of(
      std::strtod(fmt::format("{:.{}f}", v.real, static_cast<int>(places)).c_str(), nullptr));
}

JinjaValue round(const JinjaValue& v, const P& p, JinjaHeap& h) {
  if (!v.is_number()) fail("round of {} is not defined", jinja_kind(v));
  const std::string_view method = p.text(1, "common");
  if (method == "common") return rounded(v, p.integer(0, 0), h);
  if (method != "ceil" && method != "floor")
    fail("round: expected common, ceil or floor, found \"{}\"", printable(method));
  const double scale = std::pow(10.0, static_cast<double>(p.integer(0, 0)));
  const double scaled = v.as_real() * scale;
  if (!std::isfinite(scaled)) fail("round: a number is too large");
  return JinjaValue::of((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

constexpr JinjaFilter kNumberFilters[] = {
    {"abs", absolute, ""},
    {"float", to_real, "default"},
    {"int", to_integer, "default base"},
    {"round", round, "precision method"},
};

}  // namespace

std::span<const JinjaFilter> jinja_number_filters() { return kNumberFilters; }

JinjaValue jinja_attribute(const JinjaValue& item, const JinjaValue& path, const JinjaValue* absent,
                           JinjaHeap& h) {
  const auto member = [&](const JinjaValue& of, const JinjaValue& key) {
    const JinjaValue found = jinja_item(of, key, h);
    return found.is(Kind::kUndefined) && absent != nullptr && !absent->is(Kind::kNone) ? *absent
                                                                                       : found;
  };
  if (!path.is(Kind::kString)) return member(item, path);
  JinjaValue value = item;
  std::string_view rest = path.string->bytes;
  for (;;) {
    const size_t dot = rest.find('.');
    const std::string_view name = rest.substr(0, dot);
    int64_t number = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool integer = read.ec == std::errc() && read.ptr == name.data() + name.size();
    value = member(value, integer ? JinjaValue::of(number) : h.view(name, false));
    if (dot == std::string_view::npos) return value;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace falconer
