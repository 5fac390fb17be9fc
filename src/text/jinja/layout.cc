#include "text/jinja/layout.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "text/jinja/text.h"
#include "text/unicode.h"

namespace falconer {
namespace {

std::string digits_of(uint64_t number, char type) {
  const unsigned base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
  std::string made;
  do {
    made += (type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[number % base];
    number /= base;
  } while (number > 0);
  std::reverse(made.begin(), made.end());
  return made;
}

std::string printed(double magnitude, char type, int64_t precision, bool alternate,
                    JinjaHeap& heap) {
  if (precision > static_cast<int64_t>(heap.limits().output)) fail("a number is too long");
  heap.take(static_cast<size_t>(precision));
  heap.pass(static_cast<size_t>(precision));
  const std::string format = std::string("%") + (alternate ? "#" : "") + ".*" + type;
  const int size =
      std::snprintf(nullptr, 0, format.c_str(), static_cast<int>(precision), magnitude);
  std::string made(static_cast<size_t>(size) + 1, '\0');
  std::snprintf(made.data(), made.size(), format.c_str(), static_cast<int>(precision), magnitude);
  made.pop_back();
  return made;
}

/// A precision and no type: as "g", and never without a point.
std::string shortest(double magnitude, int64_t precision, JinjaHeap& heap) {
  precision = std::max<int64_t>(precision, 1);
  const std::string scientific = printed(magnitude, 'e', precision - 1, false, heap);
  const int exponent = std::stoi(scientific.substr(scientific.find('e') + 1));
  if (exponent >= -4 && exponent < precision - 1) {
    std::string made = printed(magnitude, 'f', precision - 1 - exponent, false, heap);
    if (made.find('.') == std::string::npos) return made + ".0";
    made.erase(made.find_last_not_of('0') + 1);
    return made.ends_with('.') ? made + "0" : made;
  }
  std::string digits = scientific.substr(0, scientific.find('e'));
  if (digits.find('.') != std::string::npos) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.ends_with('.')) digits.pop_back();
  }
  return digits + scientific.substr(scientific.find('e'));
}

std::string real_digits(double magnitude, const JinjaSpec& spec, JinjaHeap& heap) {
  const bool upper = spec.type == 'E' || spec.type == 'F' || spec.type == 'G';
  if (spec.type == '%') magnitude *= 100;
  const std::string end = spec.type == '%' ? "%" : "";
  if (std::isnan(magnitude)) return (upper ? "NAN" : "nan") + end;
  if (std::isinf(magnitude)) return (upper ? "INF" : "inf") + end;
  if (spec.type == '\0')
    return spec.precision < 0 ? jinja_text(JinjaValue::of(magnitude), heap).text()
                              : shortest(magnitude, spec.precision, heap);
  const int64_t precision = spec.precision < 0 ? 6 : spec.precision;
  return printed(magnitude, spec.type == '%' ? 'f' : spec.type, precision, spec.alternate, heap) +
         end;
}

/// Separators between groups of digits; zeros are groups too, where they fill the width.
std::string grouped(const std::string& text, int64_t width, const JinjaSpec& spec) {
  const size_t whole = std::min(text.find_first_not_of("0123456789abcdefABCDEF"), text.size());
  const bool hex = spec.type == 'x' || spec.type == 'X' || spec.type == 'b' || spec.type == 'o';
  const size_t point = hex ? text.size() : std::min(text.find_first_of(".eE%n"), whole);
  const size_t every = hex ? 4 : 3;
  std::string digits = text.substr(0, point);
  const auto length = [&](size_t n) { return n + (n - 1) / every; };
  const int64_t least = width - static_cast<int64_t>(text.size() - point);
  size_t count = digits.size();
  if (spec.fill == "0" && spec.align == '=' && least > static_cast<int64_t>(length(count))) {
    const size_t wanted = static_cast<size_t>(least);
    count = std::max(count, wanted - wanted / (every + 1) - 1);
    while (length(count) < wanted) ++count;
  }
  digits.insert(0, count - digits.size(), '0');
  std::string made;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0 && (count - i) % every == 0) made += spec.grouping;
    made += digits[i];
  }
  return made + text.substr(point);
}

MarkedText number_in_width(const std::string& head, std::string digits, const JinjaSpec& spec,
                           JinjaHeap& heap) {
  if (spec.width > static_cast<int64_t>(heap.limits().output)) fail("a number is too long");
  if (spec.grouping != '\0' && digits.front() >= '0' && digits.front() <= 'f')
    digits = grouped(digits, spec.width - static_cast<int64_t>(head.size()), spec);
  JinjaSpec aligned = spec;
  if (aligned.align == '\0') aligned.align = '>';
  heap.take(digits.size());
  return jinja_padded(MarkedText(head, false), MarkedText(std::move(digits), false), aligned, heap);
}

std::string sign_of(bool negative, const JinjaSpec& spec) {
  return negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
}

}  // namespace

int64_t jinja_characters(std::string_view bytes) {
  return std::count_if(bytes.begin(), bytes.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

MarkedText jinja_filling(int64_t count, std::string_view fill, bool data, JinjaHeap& heap) {
  if (count <= 0 || fill.empty()) return {};
  const size_t times = static_cast<size_t>(count);
  if (times > heap.limits().output / fill.size()) fail("a string is too long");
  heap.take(times * fill.size());
  heap.pass(times * fill.size());
  std::string made;
  made.reserve(times * fill.size());
  for (size_t i = 0; i < times; ++i) made += fill;
  return {std::move(made), data};
}

MarkedText jinja_padded(const MarkedText& head, const MarkedText& body, const JinjaSpec& spec,
                        JinjaHeap& heap) {
  heap.pass(head.size() + body.size());
  heap.take(head.size() + body.size());
  const int64_t length = jinja_characters(head.text()) + jinja_characters(body.text());
  const int64_t missing = std::max<int64_t>(spec.width - length, 0);
  const int64_t left = spec.align == '>' ? missing : spec.align == '^' ? missing / 2 : 0;
  const int64_t inner = spec.align == '=' ? missing : 0;
  MarkedText made = jinja_filling(left, spec.fill, spec.data, heap);
  made.append(head);
  made.append(jinja_filling(inner, spec.fill, spec.data, heap));
  made.append(body);
  made.append(jinja_filling(missing - left - inner, spec.fill, spec.data, heap));
  return made;
}

MarkedText jinja_laid_out(int64_t number, const JinjaSpec& spec, JinjaHeap& heap) {
  if (spec.type == 'c') return jinja_padded({}, jinja_character(number), spec, heap);
  const uint64_t bits = static_cast<uint64_t>(number);
  std::string head = sign_of(number < 0, spec);
  if (spec.alternate &&
      (spec.type == 'b' || spec.type == 'o' || spec.type == 'x' || spec.type == 'X'))
    (head += '0') += spec.type;
  std::string digits = digits_of(number < 0 ? 0 - bits : bits, spec.type);
  const int64_t zeros = spec.precision - static_cast<int64_t>(digits.size());
  digits.insert(0, jinja_filling(zeros, "0", false, heap).text());
  return number_in_width(head, std::move(digits), spec, heap);
}

MarkedText jinja_laid_out(double number, const JinjaSpec& spec, JinjaHeap& heap) {
  const bool negative = std::signbit(number) && !std::isnan(number);
  return number_in_width(sign_of(negative, spec), real_digits(std::fabs(number), spec, heap), spec,
                         heap);
}

MarkedText jinja_character(int64_t code) {
  if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
    fail("there is no character of the number {}", code);
  std::string text;
  append_utf8(text, static_cast<char32_t>(code));
  return {std::move(text), true};
}

}  // namespace falconer
