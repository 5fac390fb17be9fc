#include "text/grammar/json_rules.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_text.h"

namespace falconer::grammar {
namespace {

constexpr int kMostBlanks = 20;  // that a line begins with
constexpr size_t kWholeDigits = 18, kFractionDigits = 16, kExponentDigits = 2;

}  // namespace

std::string json_spelling(const std::string& text) { return json_text(nlohmann::json(text)); }

Rule JsonRules::space() {
  if (space_) return *space_;
  const Rule rule = *(space_ = writer_.add_rule());
  const State start = writer_.start(rule), end = writer_.end(rule);
  writer_.add_nothing(start, end);
  writer_.add_byte(start, ' ', end);
  State at = writer_.add_state();
  writer_.add_byte(start, '\n', at);
  for (int blank = 0; blank <= kMostBlanks; ++blank) {
    writer_.add_nothing(at, end);
    if (blank == kMostBlanks) break;
    const State next = writer_.add_state();
    for (const char byte : {' ', '\t'}) writer_.add_byte(at, byte, next);
    at = next;
  }
  return rule;
}

Rule JsonRules::wide_character() {
  if (wide_) return *wide_;
  const Rule rule = *(wide_ = writer_.add_rule());
  const State start = writer_.start(rule);
  const State one = writer_.add_state(), two = writer_.add_state(), three = writer_.add_state();
  const auto lead = [&](uint8_t low, uint8_t high, uint8_t least, uint8_t most, State to) {
    const State led = writer_.add_state();
    writer_.add_bytes(start, low, high, led);
    writer_.add_bytes(led, least, most, to);
  };
  writer_.add_bytes(one, 0x80, 0xBF, writer_.end(rule));
  writer_.add_bytes(two, 0x80, 0xBF, one);
  writer_.add_bytes(three, 0x80, 0xBF, two);
  writer_.add_bytes(start, 0xC2, 0xDF, one);
  lead(0xE0, 0xE0, 0xA0, 0xBF, one);
  writer_.add_bytes(start, 0xE1, 0xEC, two);
  lead(0xED, 0xED, 0x80, 0x9F, one);  // what lies behind are surrogates
  writer_.add_bytes(start, 0xEE, 0xEF, two);
  lead(0xF0, 0xF0, 0x90, 0xBF, two);
  writer_.add_bytes(start, 0xF1, 0xF3, three);
  lead(0xF4, 0xF4, 0x80, 0x8F, two);
  return rule;
}

State JsonRules::add_hex(State from, int count) {
  for (int digit = 0; digit < count; ++digit) {
    const State to = writer_.add_state();
    writer_.add_bytes(from, '0', '9', to);
    writer_.add_bytes(from, 'a', 'f', to);
    writer_.add_bytes(from, 'A', 'F', to);
    from = to;
  }
  return from;
}

Rule JsonRules::character() {
  if (character_) return *character_;
  const Rule rule = *(character_ = writer_.add_rule());
  const State start = writer_.start(rule), end = writer_.end(rule);
  writer_.add_bytes(start, 0x20, '"' - 1, end);
  writer_.add_bytes(start, '"' + 1, '\\' - 1, end);
  writer_.add_bytes(start, '\\' + 1, 0x7F, end);
  writer_.add_call(start, wide_character(), end);
  const State escape = writer_.add_text(start, "\\");
  for (const char byte : {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'})
    writer_.add_byte(escape, byte, end);
  const State code = writer_.add_text(escape, "u");
  const State plain = writer_.add_state(), d = writer_.add_state();
  writer_.add_bytes(code, '0', '9', plain);
  for (const auto& [low, high] : {std::pair('a', 'c'), {'A', 'C'}, {'e', 'f'}, {'E', 'F'}})
    writer_.add_bytes(code, static_cast<uint8_t>(low), static_cast<uint8_t>(high), plain);
  writer_.add_nothing(add_hex(plain, 3), end);
  for (const char byte : {'d', 'D'}) writer_.add_byte(code, byte, d);
  const State low_d = writer_.add_state(), first = writer_.add_state();
  writer_.add_bytes(d, '0', '7', low_d);
  writer_.add_nothing(add_hex(low_d, 2), end);
  writer_.add_bytes(d, '8', '9', first);
  for (const auto& [low, high] : {std::pair('a', 'b'), {'A', 'B'}})
    writer_.add_bytes(d, static_cast<uint8_t>(low), static_cast<uint8_t>(high), first);
  const State second = writer_.add_text(add_hex(first, 2), "\\u");
  const State second_d = writer_.add_state(), last = writer_.add_state();
  for (const char byte : {'d', 'D'}) writer_.add_byte(second, byte, second_d);
  for (const auto& [low, high] : {std::pair('c', 'f'), {'C', 'F'}})
    writer_.add_bytes(second_d, static_cast<uint8_t>(low), static_cast<uint8_t>(high), last);
  writer_.add_nothing(add_hex(last, 2), end);
  return rule;
}

void JsonRules::add_digits(State from, size_t least, size_t most, State to) {
  for (size_t count = 0; count <= most; ++count) {
    if (count >= least) writer_.add_nothing(from, to);
    if (count == most) break;
    const State next = writer_.add_state();
    writer_.add_bytes(from, '0', '9', next);
    from = next;
  }
}

void JsonRules::add_whole(State from, State to, bool negative_zero) {
  const State negative = writer_.add_text(from, "-"), digits = writer_.add_state();
  writer_.add_byte(from, '0', to);
  if (negative_zero) writer_.add_byte(negative, '0', to);
  for (const State sign : {from, negative}) writer_.add_bytes(sign, '1', '9', digits);
  add_digits(digits, 0, kWholeDigits - 1, to);
}

Rule JsonRules::number() {
  if (number_) return *number_;
  const Rule rule = *(number_ = writer_.add_rule());
  const State end = writer_.end(rule), whole = writer_.add_state();
  const State fraction = writer_.add_state();
  add_whole(writer_.start(rule), whole, true);
  writer_.add_nothing(whole, fraction);
  add_digits(writer_.add_text(whole, "."), 1, kFractionDigits, fraction);
  writer_.add_nothing(fraction, end);
  const State exponent = writer_.add_state(), sign = writer_.add_state();
  for (const char byte : {'e', 'E'}) writer_.add_byte(fraction, byte, exponent);
  for (const char byte : {'+', '-'}) writer_.add_byte(exponent, byte, sign);
  writer_.add_nothing(exponent, sign);
  add_digits(sign, 1, kExponentDigits, end);
  return rule;
}

Rule JsonRules::integer() {
  if (integer_) return *integer_;
  const Rule rule = *(integer_ = writer_.add_rule());
  add_whole(writer_.start(rule), writer_.end(rule), false);
  return rule;
}

Rule JsonRules::string() {
  if (string_) return *string_;
  const Rule rule = *(string_ = writer_.add_rule());
  add_string(writer_.start(rule), 0, kAnyRoom, writer_.end(rule));
  return rule;
}

void JsonRules::add_string(State from, uint32_t least, uint32_t most, State to) {
  State at = writer_.add_text(from, "\"");
  for (uint32_t count = 0;; ++count) {
    if (count >= least) writer_.add_byte(at, '"', to);
    writer_.set_room(at, most == kAnyRoom ? kAnyRoom : most - count);
    if (count == most) return;
    const bool free = most == kAnyRoom && count >= least;
    const State next = free ? at : writer_.add_state();
    writer_.add_call(at, character(), next);
    if (free) return;
    at = next;
  }
}

void JsonRules::add_colon(State from, State to) {
  const State behind = writer_.add_text(from, ":");
  writer_.add_nothing(behind, to);
  writer_.add_byte(behind, ' ', to);
}

void JsonRules::add_other_key(State from, std::vector<std::string> taken, State to) {
  std::sort(taken.begin(), taken.end());
  taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
  const State rest = writer_.add_state();  // it is certain to be another one
  // A plain character: `but` are bytes that lead elsewhere.
  const auto add_plain = [&](State at, const std::vector<uint8_t>& but) {
    uint32_t low = 0x20;
    const auto add_below = [&](uint32_t high) {
      if (low < high)
        writer_.add_bytes(at, static_cast<uint8_t>(low), static_cast<uint8_t>(high - 1), rest);
      low = high + 1;
    };
    std::vector<uint8_t> special = but;
    for (const char byte : {'"', '\\'}) special.push_back(static_cast<uint8_t>(byte));
    std::sort(special.begin(), special.end());
    for (const uint8_t byte : special)
      if (byte < 0x80) add_below(byte);
    add_below(0x80);
  };
  add_plain(rest, {});
  writer_.set_room(rest, kAnyRoom);
  writer_.add_call(rest, wide_character(), rest);
  writer_.add_byte(rest, '"', to);
  struct Part {
    State at;
    size_t first, last, depth;
  };
  std::vector<Part> todo{{writer_.add_text(from, "\""), 0, taken.size(), 0}};
  while (!todo.empty()) {
    const Part part = todo.back();
    todo.pop_back();
    size_t first = part.first;
    const bool whole = first < part.last && taken[first].size() == part.depth;
    if (whole)
      ++first;
    else
      writer_.add_byte(part.at, '"', to);
    std::vector<uint8_t> led;
    for (size_t last = first; first < part.last; first = last) {
      const char byte = taken[first][part.depth];
      while (last < part.last && taken[last][part.depth] == byte) ++last;
      led.push_back(static_cast<uint8_t>(byte));
      // Keys with escapes or beyond ASCII part from others within a character: all that begin with such a byte are
      // left to the declared ones.
      if (byte == '\\' || led.back() >= 0x80) continue;
      const State next = writer_.add_text(part.at, std::string_view(&byte, 1));
      todo.push_back({next, first, last, part.depth + 1});
    }
    add_plain(part.at, led);
    if (led.empty() || led.back() < 0x80) writer_.add_call(part.at, wide_character(), rest);
  }
}

Rule JsonRules::object() {
  if (object_) return *object_;
  const Rule rule = *(object_ = writer_.add_rule());
  const State open = writer_.add_text(writer_.start(rule), "{");
  const State first = writer_.add_state(), key = writer_.add_state(), colon = writer_.add_state();
  const State member = writer_.add_state(), after = writer_.add_state(),
              close = writer_.add_state();
  writer_.add_call(open, space(), first);
  writer_.add_byte(first, '}', writer_.end(rule));
  writer_.add_nothing(first, key);
  writer_.add_call(key, string(), colon);
  add_colon(colon, member);
  writer_.add_call(member, value(), after);
  writer_.add_call(writer_.add_text(after, ","), space(), key);
  writer_.add_call(after, space(), close);
  writer_.add_byte(close, '}', writer_.end(rule));
  return rule;
}

Rule JsonRules::array() {
  if (array_) return *array_;
  const Rule rule = *(array_ = writer_.add_rule());
  const State open = writer_.add_text(writer_.start(rule), "[");
  const State first = writer_.add_state(), item = writer_.add_state();
  const State after = writer_.add_state(), close = writer_.add_state();
  writer_.add_call(open, space(), first);
  writer_.add_byte(first, ']', writer_.end(rule));
  writer_.add_nothing(first, item);
  writer_.add_call(item, value(), after);
  writer_.add_call(writer_.add_text(after, ","), space(), item);
  writer_.add_call(after, space(), close);
  writer_.add_byte(close, ']', writer_.end(rule));
  return rule;
}

Rule JsonRules::value() {
  if (value_) return *value_;
  const Rule rule = *(value_ = writer_.add_rule());
  const State start = writer_.start(rule), end = writer_.end(rule);
  for (const Rule one : {object(), array(), string(), number()}) writer_.add_call(start, one, end);
  writer_.add_texts(start, {"true", "false", "null"}, end);
  return rule;
}

}  // namespace falconer::grammar
