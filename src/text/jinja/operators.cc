#include "text/jinja/operators.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "text/jinja/format.h"
#include "text/jinja/text.h"
#include "text/unicode.h"

namespace falconer {
using Kind = JinjaValue::Kind;
namespace {

/// Byte offsets of the characters of a string, and its end.
std::vector<size_t> offsets_of(std::string_view bytes, JinjaHeap& heap) {
  heap.step(static_cast<int64_t>(bytes.size() / 64));
  const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  std::vector<size_t> offsets;
  offsets.reserve(static_cast<size_t>(std::count_if(bytes.begin(), bytes.end(), begins)) + 1);
  for (size_t at = 0; at < bytes.size(); ++at)
    if (begins(bytes[at])) offsets.push_back(at);
  offsets.push_back(bytes.size());
  return offsets;
}

int compare_lists(const JinjaList& a, const JinjaList& b, JinjaHeap& heap) {
  heap.step();
  for (size_t i = 0; i < std::min(a.items.size(), b.items.size()); ++i)
    if (!jinja_equal(a.items[i], b.items[i], heap))
      return jinja_compare(a.items[i], b.items[i], heap);
  return a.items.size() < b.items.size() ? -1 : a.items.size() > b.items.size();
}

bool equal_dicts(const JinjaDict& a, const JinjaDict& b, JinjaHeap& heap) {
  heap.step();
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const JinjaValue* other = b.find(key, heap);
    if (other == nullptr || !jinja_equal(value, *other, heap)) return false;
  }
  return true;
}

[[noreturn]] void fail_operator(std::string_view op, const JinjaValue& a, const JinjaValue& b) {
  fail("{} {} {} is not defined", jinja_kind(a), op, jinja_kind(b));
}

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

JinjaValue integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0)
    return JinjaValue::of(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  int64_t power = 1;
  for (int64_t i = 0; i < exponent && (i < 64 || (base != 0 && base != 1 && base != -1)); ++i)
    if (__builtin_mul_overflow(power, base, &power)) fail("a number is too large");
  if (base == -1 && exponent % 2 == 0) power = 1;
  if (base == -1 && exponent % 2 != 0) power = -1;
  return JinjaValue::of(power);
}

JinjaValue integer_arithmetic(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (op == "**") {
    return integer_power(a, b);
  } else {
    if (b == 0) fail("division by 0");
    if (op == "/") return JinjaValue::of(static_cast<double>(a) / static_cast<double>(b));
    overflow = a == std::numeric_limits<int64_t>::min() && b == -1;
    if (!overflow) result = op == "//" ? floor_divide(a, b) : a - floor_divide(a, b) * b;
  }
  if (overflow) fail("a number is too large");
  return JinjaValue::of(result);
}

JinjaValue real_arithmetic(std::string_view op, double a, double b) {
  if (op == "+") return JinjaValue::of(a + b);
  if (op == "-") return JinjaValue::of(a - b);
  if (op == "*") return JinjaValue::of(a * b);
  if (op == "**") return JinjaValue::of(std::pow(a, b));
  if (b == 0) fail("division by 0");
  if (op == "/") return JinjaValue::of(a / b);
  const double quotient = std::floor(a / b);
  return JinjaValue::of(op == "//" ? quotient : a - quotient * b);
}

JinjaValue repeated(const JinjaValue& value, int64_t times, JinjaHeap& heap) {
  times = std::max<int64_t>(times, 0);
  if (value.is(Kind::kList)) {
    const size_t size = value.list->items.size();
    if (size > 0 && static_cast<size_t>(times) > heap.limits().bytes / sizeof(JinjaValue) / size)
      fail("a list is too long");
    std::vector<JinjaValue> items;
    for (int64_t i = 0; i < times && size > 0; ++i)
      items.insert(items.end(), value.list->items.begin(), value.list->items.end());
    return heap.list(std::move(items), value.list->tuple);
  }
  const std::string_view bytes = value.string->bytes;
  // What is a template's and what is data alternates in it: that is kept too, and is no less.
  const size_t size = bytes.size() + value.string->parts.size() * sizeof(MarkedText::Part);
  if (!bytes.empty() && (static_cast<size_t>(times) > heap.limits().output / bytes.size() ||
                         static_cast<size_t>(times) > heap.limits().bytes / size))
    fail("a string is too long");
  MarkedText text;
  for (int64_t i = 0; i < times && !bytes.empty(); ++i) {
    if (i % 64 == 0) heap.step();
    text.append(bytes, value.string->parts);
  }
  return heap.string(std::move(text));
}

/// The positions that start:stop:step takes of n, as Python counts them.
std::vector<size_t> slice_positions(int64_t n, const JinjaValue& start, const JinjaValue& stop,
                                    const JinjaValue& step) {
  const auto number = [](const JinjaValue& value, int64_t absent) {
    if (value.is(Kind::kNone)) return absent;
    if (!value.is_integral()) fail("a slice's bounds are integers, found {}", jinja_kind(value));
    return value.as_integer();
  };
  const int64_t by = number(step, 1);
  if (by == 0) fail("a slice's step is 0");
  const auto clamp = [&](int64_t at) {
    if (at < 0) at = at < -n ? -1 : at + n;
    return by > 0 ? std::clamp<int64_t>(at, 0, n) : std::clamp<int64_t>(at, -1, n - 1);
  };
  const int64_t first = start.is(Kind::kNone) ? (by > 0 ? 0 : n - 1) : clamp(number(start, 0));
  const int64_t end = stop.is(Kind::kNone) ? (by > 0 ? n : -1) : clamp(number(stop, 0));
  std::vector<size_t> positions;
  for (int64_t at = first; by > 0 ? at < end : at > end;) {
    positions.push_back(static_cast<size_t>(at));
    if (__builtin_add_overflow(at, by, &at)) break;
  }
  return positions;
}

}  // namespace

std::string jinja_kind(const JinjaValue& value) {
  switch (value.kind) {
    case Kind::kUndefined:
      return value.string == nullptr
                 ? "undefined"
                 : fmt::format("the undefined \"{}\"", printable(value.string->bytes));
    case Kind::kNone:
      return "none";
    case Kind::kBoolean:
      return "boolean";
    case Kind::kInteger:
    case Kind::kFloat:
      return "number";
    case Kind::kString:
      return "string";
    case Kind::kList:
      return "list";
    case Kind::kDict:
      return value.dict->is_namespace ? "namespace" : "dictionary";
    case Kind::kFunction:
      return "function";
    case Kind::kLoop:
      return "loop";
  }
  return "value";
}

bool jinja_true(const JinjaValue& value) {
  switch (value.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kString:
      return !value.string->bytes.empty();
    case Kind::kList:
      return !value.list->items.empty();
    case Kind::kDict:
      return value.dict->is_namespace || !value.dict->entries.empty();
    default:
      return !value.is_number() || value.as_real() != 0;
  }
}

bool jinja_equal(const JinjaValue& a, const JinjaValue& b, JinjaHeap& heap) {
  if (a.is_number() && b.is_number())
    return a.is_integral() && b.is_integral() ? a.as_integer() == b.as_integer()
                                              : a.as_real() == b.as_real();
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kString:
      if (a.string->bytes.size() == b.string->bytes.size()) heap.pass(a.string->bytes.size());
      return a.string->bytes == b.string->bytes;
    case Kind::kList:
      return a.list == b.list ||
             (a.list->tuple == b.list->tuple && a.list->items.size() == b.list->items.size() &&
              compare_lists(*a.list, *b.list, heap) == 0);
    case Kind::kDict:
      return a.dict == b.dict || (!a.dict->is_namespace && !b.dict->is_namespace &&
                                  equal_dicts(*a.dict, *b.dict, heap));
    case Kind::kFunction:
      return a.function == b.function;
    case Kind::kLoop:
      return a.loop == b.loop;
    default:
      return true;
  }
}

int jinja_compare(const JinjaValue& a, const JinjaValue& b, JinjaHeap& heap) {
  if (a.is_integral() && b.is_integral())
    return a.as_integer() < b.as_integer() ? -1 : a.as_integer() > b.as_integer();
  if (a.is_number() && b.is_number())
    return a.as_real() < b.as_real() ? -1 : a.as_real() > b.as_real();
  if (a.is(Kind::kString) && b.is(Kind::kString)) {
    heap.pass(std::min(a.string->bytes.size(), b.string->bytes.size()));
    return a.string->bytes.compare(b.string->bytes);
  }
  if (a.is(Kind::kList) && b.is(Kind::kList)) return compare_lists(*a.list, *b.list, heap);
  fail("{} and {} have no order", jinja_kind(a), jinja_kind(b));
}

void jinja_pass_search(std::string_view text, std::string_view part, JinjaHeap& heap) {
  // std::string_view::find may compare all of `part` at each place.
  heap.step(static_cast<int64_t>(text.size() / 64));
  const size_t repeats = std::min(part.size(), text.size()) / 64;
  heap.step(static_cast<int64_t>(text.size() / 64 * repeats));
}

bool jinja_contains(const JinjaValue& holder, const JinjaValue& item, JinjaHeap& heap) {
  switch (holder.kind) {
    case Kind::kUndefined:
      return false;
    case Kind::kString:
      if (!item.is(Kind::kString)) fail("{} in string is not defined", jinja_kind(item));
      jinja_pass_search(holder.string->bytes, item.string->bytes, heap);
      return holder.string->bytes.find(item.string->bytes) != std::string_view::npos;
    case Kind::kList:
      heap.step(static_cast<int64_t>(holder.list->items.size()));
      for (const JinjaValue& one : holder.list->items)
        if (jinja_equal(one, item, heap)) return true;
      return false;
    case Kind::kDict:
      heap.step(static_cast<int64_t>(holder.dict->entries.size()));
      return holder.dict->find(item, heap) != nullptr;
    default:
      fail("{} holds nothing that could be looked for", jinja_kind(holder));
  }
}

JinjaValue jinja_arithmetic(std::string_view op, const JinjaValue& a, const JinjaValue& b,
                            JinjaHeap& heap) {
  if (a.is_integral() && b.is_integral())
    return integer_arithmetic(op, a.as_integer(), b.as_integer());
  if (a.is_number() && b.is_number()) return real_arithmetic(op, a.as_real(), b.as_real());
  if (op == "%" && a.is(Kind::kString)) return jinja_percent(*a.string, b, heap);
  if (op == "+" && a.is(Kind::kString) && b.is(Kind::kString)) {
    MarkedText text;
    heap.take(a.string->bytes.size() + b.string->bytes.size());
    heap.step(static_cast<int64_t>((a.string->parts.size() + b.string->parts.size()) / 8));
    text.append(a.string->bytes, a.string->parts);
    text.append(b.string->bytes, b.string->parts);
    return heap.string(std::move(text));
  }
  if (op == "+" && a.is(Kind::kList) && b.is(Kind::kList) && a.list->tuple == b.list->tuple) {
    heap.take((a.list->items.size() + b.list->items.size()) * sizeof(JinjaValue));
    std::vector<JinjaValue> items = a.list->items;
    items.insert(items.end(), b.list->items.begin(), b.list->items.end());
    return heap.list(std::move(items), a.list->tuple);
  }
  const auto sequence = [](const JinjaValue& v) {
    return v.is(Kind::kString) || v.is(Kind::kList);
  };
  if (op == "*" && sequence(a) && b.is_integral()) return repeated(a, b.as_integer(), heap);
  if (op == "*" && a.is_integral() && sequence(b)) return repeated(b, a.as_integer(), heap);
  fail_operator(op, a, b);
}

JinjaValue jinja_negative(const JinjaValue& value) {
  if (value.is(Kind::kFloat)) return JinjaValue::of(-value.real);
  if (!value.is_integral()) fail("-{} is not defined", jinja_kind(value));
  return integer_arithmetic("-", 0, value.as_integer());
}

JinjaValue jinja_item(const JinjaValue& value, const JinjaValue& key, JinjaHeap& heap) {
  switch (value.kind) {
    case Kind::kUndefined:
      fail("{} has no members", jinja_kind(value));
    case Kind::kDict: {
      heap.step(static_cast<int64_t>(value.dict->entries.size() / 8));
      const JinjaValue* found = value.dict->find(key, heap);
      if (found != nullptr) return *found;
      break;
    }
    case Kind::kList: {
      if (value.list->group && key.is(Kind::kString)) {
        if (key.string->bytes == "grouper") return value.list->items[0];
        if (key.string->bytes == "list") return value.list->items[1];
      }
      if (!key.is_integral()) break;
      const int64_t n = static_cast<int64_t>(value.list->items.size()), at = key.as_integer();
      if (at >= -n && at < n) return value.list->items[static_cast<size_t>(at < 0 ? at + n : at)];
      break;
    }
    case Kind::kString: {
      if (!key.is_integral()) break;
      const std::vector<size_t> offsets = offsets_of(value.string->bytes, heap);
      const int64_t n = static_cast<int64_t>(offsets.size()) - 1;
      int64_t at = key.as_integer();
      if (at < -n || at >= n) break;
      if (at < 0) at += n;
      return heap.part(*value.string, offsets[static_cast<size_t>(at)],
                       offsets[static_cast<size_t>(at) + 1]);
    }
    default:
      break;
  }
  return JinjaValue::undefined(key.is(Kind::kString) ? key.string : nullptr);
}

JinjaValue jinja_slice(const JinjaValue& value, const JinjaValue& start, const JinjaValue& stop,
                       const JinjaValue& step, JinjaHeap& heap) {
  if (value.is(Kind::kList)) {
    std::vector<JinjaValue> items;
    for (const size_t at :
         slice_positions(static_cast<int64_t>(value.list->items.size()), start, stop, step))
      items.push_back(value.list->items[at]);
    return heap.list(std::move(items), value.list->tuple);
  }
  if (!value.is(Kind::kString)) fail("{} cannot be sliced", jinja_kind(value));
  const std::vector<size_t> offsets = offsets_of(value.string->bytes, heap);
  const std::vector<size_t> taken =
      slice_positions(static_cast<int64_t>(offsets.size()) - 1, start, stop, step);
  if (taken.empty()) return heap.view("", false);
  if (taken.back() - taken.front() + 1 == taken.size())
    return heap.part(*value.string, offsets[taken.front()], offsets[taken.back() + 1]);
  MarkedText text;
  const MarkedText whole = jinja_marked(*value.string);
  for (const size_t at : taken) {
    heap.step(1 + static_cast<int64_t>(whole.parts().size()));
    text.append(whole.part(offsets[at], offsets[at + 1]));
  }
  return heap.string(std::move(text));
}

std::vector<JinjaValue> jinja_items(const JinjaValue& value, JinjaHeap& heap) {
  std::vector<JinjaValue> items;
  switch (value.kind) {
    case Kind::kUndefined:
      break;
    case Kind::kList:
      heap.take(value.list->items.size() * sizeof(JinjaValue));
      return value.list->items;
    case Kind::kDict:
      heap.step(static_cast<int64_t>(value.dict->entries.size() / 8));
      for (const auto& [key, unused] : value.dict->entries) items.push_back(key);
      break;
    case Kind::kString: {
      const std::vector<size_t> offsets = offsets_of(value.string->bytes, heap);
      for (size_t i = 0; i + 1 < offsets.size(); ++i)
        items.push_back(heap.part(*value.string, offsets[i], offsets[i + 1]));
      break;
    }
    default:
      fail("{} cannot be looped over", jinja_kind(value));
  }
  heap.take(items.size() * sizeof(JinjaValue));
  return items;
}

int64_t jinja_length(const JinjaValue& value, JinjaHeap& heap) {
  switch (value.kind) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      return static_cast<int64_t>(offsets_of(value.string->bytes, heap).size()) - 1;
    case Kind::kList:
      return static_cast<int64_t>(value.list->items.size());
    case Kind::kDict:
      return static_cast<int64_t>(value.dict->entries.size());
    default:
      fail("{} has no length", jinja_kind(value));
  }
}

}  // namespace falconer
