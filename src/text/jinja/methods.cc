// The methods of strings, dictionaries and lists in chat templates, and the functions.
#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "text/jinja/library.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/unicode.h"

namespace falconer {
using Kind = JinjaValue::Kind;
namespace {

using P = JinjaParameters;
constexpr int64_t kLongestRange = 100'000;  // as Jinja's sandbox

// ---- strings

JinjaValue strip_both(const JinjaValue& v, const P& p, JinjaHeap& h) {
  return jinja_strip(*v.string, p.text(0, ""), "both", h);
}
JinjaValue strip_left(const JinjaValue& v, const P& p, JinjaHeap& h) {
  return jinja_strip(*v.string, p.text(0, ""), "left", h);
}
JinjaValue strip_right(const JinjaValue& v, const P& p, JinjaHeap& h) {
  return jinja_strip(*v.string, p.text(0, ""), "right", h);
}
JinjaValue upper(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(*v.string, JinjaCase::kUpper, h);
}
JinjaValue lower(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(*v.string, JinjaCase::kLower, h);
}
JinjaValue title(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(*v.string, JinjaCase::kTitle, h);
}
JinjaValue capitalize(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(*v.string, JinjaCase::kCapitalize, h);
}

/// startswith and endswith take a string or a list of them.
bool any_affix(const JinjaValue& v, const JinjaValue& affix, bool front, JinjaHeap& heap) {
  heap.step();
  if (affix.is(Kind::kList))
    return std::any_of(affix.list->items.begin(), affix.list->items.end(),
                       [&](const JinjaValue& one) { return any_affix(v, one, front, heap); });
  if (!affix.is(Kind::kString))
    fail("a string begins or ends with a string, found {}", jinja_kind(affix));
  const std::string_view bytes = v.string->bytes, part = affix.string->bytes;
  heap.pass(part.size());
  return front ? bytes.starts_with(part) : bytes.ends_with(part);
}
JinjaValue begins(const JinjaValue& v, const P& p, JinjaHeap& h) {
  return JinjaValue::of(any_affix(v, p.need(0), true, h));
}
JinjaValue ends(const JinjaValue& v, const P& p, JinjaHeap& h) {
  return JinjaValue::of(any_affix(v, p.need(0), false, h));
}
JinjaValue without_prefix(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const size_t n = p.text(0, "").size();
  return any_affix(v, p.need(0), true, h) ? h.part(*v.string, n, v.string->bytes.size()) : v;
}
JinjaValue without_suffix(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const size_t n = p.text(0, "").size();
  return any_affix(v, p.need(0), false, h) ? h.part(*v.string, 0, v.string->bytes.size() - n) : v;
}

/// Where the next white space begins and ends, from `at` on.
std::pair<size_t, size_t> next_blank(std::string_view bytes, size_t at) {
  const auto blank = [&](size_t i) { return is_space(decode_utf8(bytes, i).code); };
  while (at < bytes.size() && !blank(at)) at += decode_utf8(bytes, at).length;
  size_t end = at;
  while (end < bytes.size() && blank(end)) end += decode_utf8(bytes, end).length;
  return {at, end};
}

JinjaValue split_at_blanks(const JinjaString& string, int64_t most, JinjaHeap& h) {
  const std::string_view bytes = string.bytes;
  std::vector<JinjaValue> parts;
  size_t at = 0;
  while (at < bytes.size() && is_space(decode_utf8(bytes, at).code))
    at += decode_utf8(bytes, at).length;
  while (at < bytes.size()) {
    const bool rest = most >= 0 && static_cast<int64_t>(parts.size()) == most;
    const auto [end, next] = rest ? std::pair(bytes.size(), bytes.size()) : next_blank(bytes, at);
    h.step();
    parts.push_back(h.part(string, at, end));
    at = next;
  }
  return h.list(std::move(parts));
}

JinjaValue split(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const JinjaString& string = *v.string;
  const int64_t most = p.integer(1, -1);
  if (p.find(0) == nullptr || p.find(0)->is(Kind::kNone)) return split_at_blanks(string, most, h);
  const std::string_view separator = p.text(0, "");
  if (separator.empty()) fail("split: the separator is empty");
  jinja_pass_search(string.bytes, separator, h);
  std::vector<JinjaValue> parts;
  size_t done = 0;
  while (most < 0 || static_cast<int64_t>(parts.size()) < most) {
    const size_t at = string.bytes.find(separator, done);
    if (at == std::string_view::npos) break;
    h.step();
    parts.push_back(h.part(string, done, at));
    done = at + separator.size();
  }
  parts.push_back(h.part(string, done, string.bytes.size()));
  return h.list(std::move(parts));
}

JinjaValue split_from_right(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const int64_t most = p.integer(1, -1);
  const std::string_view separator = p.text(0, "");
  if (most < 0) return split(v, p, h);
  if (separator.empty()) fail("rsplit: expected a separator");
  jinja_pass_search(v.string->bytes, separator, h);
  std::vector<JinjaValue> parts;
  size_t end = v.string->bytes.size();
  while (static_cast<int64_t>(parts.size()) < most && end >= separator.size()) {
    const size_t at = v.string->bytes.substr(0, end).rfind(separator);
    if (at == std::string_view::npos) break;
    h.step();
    parts.push_back(h.part(*v.string, at + separator.size(), end));
    end = at;
  }
  parts.push_back(h.part(*v.string, 0, end));
  std::reverse(parts.begin(), parts.end());
  return h.list(std::move(parts));
}

JinjaValue split_lines(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const std::string_view bytes = v.string->bytes;
  std::vector<JinjaValue> parts;
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = std::min(bytes.find_first_of("\r\n", begin), bytes.size());
    const size_t next = end + (bytes.substr(end).starts_with("\r\n") ? 2 : end < bytes.size());
    h.step();
    parts.push_back(h.part(*v.string, begin, p.flag(0, false) ? next : end));
    begin = next;
  }
  return h.list(std::move(parts));
}

JinjaValue replace(const JinjaValue& v, const P& p, JinjaHeap& h) {
  return jinja_replace(*v.string, jinja_string(p.need(0), h), jinja_string(p.need(1), h),
                       p.integer(2, -1), h);
}
JinjaValue join(const JinjaValue& v, const P& p, JinjaHeap& h) {
  return jinja_join(jinja_items(p.need(0), h), *v.string, h);
}

JinjaValue find(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const std::string_view bytes = v.string->bytes;
  jinja_pass_search(bytes, p.text(0, ""), h);
  const size_t at = bytes.find(p.text(0, ""));
  if (at == std::string_view::npos) return JinjaValue::of(int64_t{-1});
  return JinjaValue::of(static_cast<int64_t>(
      std::count_if(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(at),
                    [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; })));
}

JinjaValue count_in_string(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const std::string_view part = p.text(0, "");
  if (part.empty()) return JinjaValue::of(jinja_length(v, h) + 1);
  jinja_pass_search(v.string->bytes, part, h);
  int64_t count = 0;
  for (size_t at = 0; (at = v.string->bytes.find(part, at)) != std::string_view::npos;
       at += part.size())
    ++count;
  return JinjaValue::of(count);
}

JinjaValue all_digits(const JinjaValue& v, const P&, JinjaHeap& h) {
  const std::string_view bytes = v.string->bytes;
  h.pass(bytes.size());
  return JinjaValue::of(!bytes.empty() &&
                        bytes.find_first_not_of("0123456789") == std::string_view::npos);
}

// ---- dictionaries and lists

JinjaValue get(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const JinjaValue* found = v.dict->find(p.need(0), h);
  if (found != nullptr) return *found;
  return p.find(1) != nullptr ? *p.find(1) : JinjaValue::none();
}
JinjaValue items(const JinjaValue& v, const P&, JinjaHeap& h) {
  std::vector<JinjaValue> all;
  for (const auto& [key, value] : v.dict->entries) all.push_back(h.list({key, value}, true));
  return h.list(std::move(all));
}
JinjaValue keys(const JinjaValue& v, const P&, JinjaHeap& h) { return h.list(jinja_items(v, h)); }
JinjaValue values(const JinjaValue& v, const P&, JinjaHeap& h) {
  std::vector<JinjaValue> all;
  for (const auto& [key, value] : v.dict->entries) all.push_back(value);
  return h.list(std::move(all));
}

JinjaValue index(const JinjaValue& v, const P& p, JinjaHeap& h) {
  h.step(static_cast<int64_t>(v.list->items.size() / 8));
  for (size_t i = 0; i < v.list->items.size(); ++i)
    if (jinja_equal(v.list->items[i], p.need(0), h)) return JinjaValue::of(static_cast<int64_t>(i));
  fail("index: the value is not in the list");
}
JinjaValue count_in_list(const JinjaValue& v, const P& p, JinjaHeap& h) {
  h.step(static_cast<int64_t>(v.list->items.size() / 8));
  return JinjaValue::of(static_cast<int64_t>(
      std::count_if(v.list->items.begin(), v.list->items.end(),
                    [&](const JinjaValue& one) { return jinja_equal(one, p.need(0), h); })));
}

struct Method {
  Kind kind;
  std::string_view name;
  JinjaValue (*call)(const JinjaValue&, const P&, JinjaHeap&);
  std::string_view parameters;
};
constexpr Method kMethods[] = {
    {Kind::kString, "capitalize", capitalize, ""},
    {Kind::kString, "count", count_in_string, "sub"},
    {Kind::kString, "endswith", ends, "suffix"},
    {Kind::kString, "find", find, "sub"},
    {Kind::kString, "isdigit", all_digits, ""},
    {Kind::kString, "join", join, "iterable"},
    {Kind::kString, "lower", lower, ""},
    {Kind::kString, "lstrip", strip_left, "chars"},
    {Kind::kString, "removeprefix", without_prefix, "prefix"},
    {Kind::kString, "removesuffix", without_suffix, "suffix"},
    {Kind::kString, "replace", replace, "old new count"},
    {Kind::kString, "rsplit", split_from_right, "sep maxsplit"},
    {Kind::kString, "rstrip", strip_right, "chars"},
    {Kind::kString, "split", split, "sep maxsplit"},
    {Kind::kString, "splitlines", split_lines, "keepends"},
    {Kind::kString, "startswith", begins, "prefix"},
    {Kind::kString, "strip", strip_both, "chars"},
    {Kind::kString, "title", title, ""},
    {Kind::kString, "upper", upper, ""},
    {Kind::kDict, "get", get, "key default"},
    {Kind::kDict, "items", items, ""},
    {Kind::kDict, "keys", keys, ""},
    {Kind::kDict, "values", values, ""},
    {Kind::kList, "count", count_in_list, "value"},
    {Kind::kList, "index", index, "value"},
};

// ---- functions

JinjaValue range(const JinjaArguments& arguments, JinjaHeap& heap) {
  const P p("start stop step", arguments);
  const bool one = p.find(1) == nullptr;
  const int64_t start = one ? 0 : p.integer(0, 0), stop = p.integer(one ? 0 : 1, 0);
  const int64_t step = p.integer(2, 1);
  if (step == 0) fail("range: the step is 0");
  std::vector<JinjaValue> numbers;
  heap.step();
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (std::ssize(numbers) >= kLongestRange) fail("range: more than {} numbers", kLongestRange);
    numbers.push_back(JinjaValue::of(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return heap.list(std::move(numbers));
}

JinjaValue name_space(const JinjaArguments& arguments, JinjaHeap& heap) {
  JinjaDict& made = heap.name_space();
  for (const JinjaValue& given : arguments.positional) {
    if (!given.is(Kind::kDict)) fail("namespace: expected a dictionary");
    for (const auto& [key, value] : given.dict->entries) made.set(key, value, heap);
  }
  for (const auto& [name, value] : arguments.named) made.set(heap.view(name, false), value, heap);
  return JinjaValue::of(&made);
}

JinjaValue dictionary(const JinjaArguments& arguments, JinjaHeap& heap) {
  std::vector<std::pair<JinjaValue, JinjaValue>> entries;
  for (const JinjaValue& given : arguments.positional) {
    if (given.is(Kind::kDict)) heap.step(static_cast<int64_t>(given.dict->entries.size() / 8));
    if (!given.is(Kind::kDict)) fail("dict: expected a dictionary");
    entries.insert(entries.end(), given.dict->entries.begin(), given.dict->entries.end());
  }
  for (const auto& [name, value] : arguments.named) {
    heap.step(static_cast<int64_t>(entries.size() / 8));
    const auto there =
        std::find_if(entries.begin(), entries.end(), [key = std::string_view(name)](const auto& e) {
          return e.first.is(Kind::kString) && e.first.string->bytes == key;
        });
    if (there != entries.end())
      there->second = value;
    else
      entries.emplace_back(heap.view(name, false), value);
  }
  return heap.dict(std::move(entries));
}

JinjaValue now(const JinjaArguments& arguments, JinjaHeap& heap) {
  const std::string format(P("format", arguments).text(0, ""));
  const std::time_t seconds = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[256];
  const size_t size = std::strftime(text, sizeof(text), format.c_str(), &parts);
  return heap.string(std::string(text, size), false);
}

constexpr std::pair<std::string_view, JinjaFunction::Builtin> kFunctions[] = {
    {"range", JinjaFunction::Builtin::kRange},
    {"dict", JinjaFunction::Builtin::kDict},
    {"namespace", JinjaFunction::Builtin::kNamespace},
    {"raise_exception", JinjaFunction::Builtin::kRaise},
    {"strftime_now", JinjaFunction::Builtin::kNow},
};

}  // namespace

std::optional<JinjaValue> call_jinja_method(const JinjaValue& object, std::string_view name,
                                            const JinjaArguments& arguments, JinjaHeap& heap) {
  if (object.is(Kind::kDict) && object.dict->is_namespace) return {};
  for (const Method& method : kMethods)
    if (method.kind == object.kind && method.name == name)
      return method.call(object, P(method.parameters, arguments), heap);
  return {};
}

std::optional<JinjaFunction::Builtin> find_jinja_function(std::string_view name) {
  for (const auto& [known, function] : kFunctions)
    if (known == name) return function;
  return {};
}

JinjaValue call_jinja_function(JinjaFunction::Builtin function, const JinjaArguments& arguments,
                               JinjaHeap& heap) {
  switch (function) {
    case JinjaFunction::Builtin::kRange:
      return range(arguments, heap);
    case JinjaFunction::Builtin::kDict:
      return dictionary(arguments, heap);
    case JinjaFunction::Builtin::kNamespace:
      return name_space(arguments, heap);
    case JinjaFunction::Builtin::kNow:
      return now(arguments, heap);
    case JinjaFunction::Builtin::kMethod:
      fail("a method is called apart from its object");
    case JinjaFunction::Builtin::kRaise:
      break;
  }
  fail("the template refuses these messages: {}",
       printable(P("message", arguments).text(0, "without a reason")));
}

}  // namespace falconer
