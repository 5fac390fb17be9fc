// The methods of strings, dictionaries and lists in chat templates, and the functions.

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "base/joined.h"
#include "text/jinja/format.h"
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
JinjaValue upper_string(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(*v.string, JinjaCase::kUpper, h);
}
JinjaValue lower_string(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(*v.string, JinjaCase::kLower, h);
}
JinjaValue title_string(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(*v.string, JinjaCase::kTitle, h);
}
JinjaValue capitalize_string(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(*v.string, JinjaCase::kCapitalize, h);
}

/// Where the next white space begins and ends, from `at` on.
std::pair<size_t, size_t> next_blank(std::string_view bytes, size_t at) {
  const auto blank = [&](size_t i) { return is_jinja_space(decode_utf8(bytes, i).code); };
  while (at < bytes.size() && !blank(at)) at += decode_utf8(bytes, at).length;
  size_t end = at;
  while (end < bytes.size() && blank(end)) end += decode_utf8(bytes, end).length;
  return {at, end};
}

JinjaValue split_at_blanks(const JinjaString& string, int64_t most, JinjaHeap& h) {
  const std::string_view bytes = string.bytes;
  std::vector<JinjaValue> parts;
  size_t at = 0;
  while (at < bytes.size() && is_jinja_space(decode_utf8(bytes, at).code))
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
  if (p.find(0) == nullptr || p.find(0)->is(Kind::kNone))
    return jinja_split_from_right(*v.string, most, h);
  const std::string_view separator = p.text(0, "");
  if (separator.empty()) fail("rsplit: the separator is empty");
  if (most < 0) return split(v, p, h);
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

JinjaValue replace_string(const JinjaValue& v, const P& p, JinjaHeap& h) {
  for (size_t i = 0; i < 2; ++i)
    if (!p.need(i).is(Kind::kString))
      fail("replace: argument {} is a string, found {}", i + 1, jinja_kind(p.need(i)));
  return jinja_replace(*v.string, *p.need(0).string, *p.need(1).string, p.integer(2, -1), h);
}
JinjaValue join_string(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const std::vector<JinjaValue> items = jinja_items(p.need(0), h);
  for (const JinjaValue& item : items)
    if (!item.is(Kind::kString)) fail("join takes strings, found {}", jinja_kind(item));
  return jinja_join(items, *v.string, h);
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

JinjaValue copied(const JinjaValue& v, const P&, JinjaHeap& h) {
  if (v.is(Kind::kDict)) return h.dict(v.dict->entries);
  if (v.list->tuple) fail("a tuple has no method copy");
  return h.list(v.list->items);
}

JinjaValue index(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const int64_t length = std::ssize(v.list->items);
  const auto place = [&](int64_t at) {
    return std::min(at < 0 ? std::max<int64_t>(at + length, 0) : at, length);
  };
  h.step(length / 8);
  for (int64_t i = place(p.integer(1, 0)); i < place(p.integer(2, length)); ++i)
    if (jinja_equal(v.list->items[static_cast<size_t>(i)], p.need(0), h)) return JinjaValue::of(i);
  fail("index: the value is not in the list");
}
JinjaValue count_in_list(const JinjaValue& v, const P& p, JinjaHeap& h) {
  h.step(static_cast<int64_t>(v.list->items.size() / 8));
  return JinjaValue::of(static_cast<int64_t>(
      std::count_if(v.list->items.begin(), v.list->items.end(),
                    [&](const JinjaValue& one) { return jinja_equal(one, p.need(0), h); })));
}

constexpr JinjaMethod kMethods[] = {
    {Kind::kString, "capitalize", capitalize_string, ""},
    {Kind::kString, "join", join_string, "iterable"},
    {Kind::kString, "lower", lower_string, ""},
    {Kind::kString, "lstrip", strip_left, "chars"},
    {Kind::kString, "replace", replace_string, "old new count"},
    {Kind::kString, "rsplit", split_from_right, "sep maxsplit"},
    {Kind::kString, "rstrip", strip_right, "chars"},
    {Kind::kString, "split", split, "sep maxsplit"},
    {Kind::kString, "strip", strip_both, "chars"},
    {Kind::kString, "title", title_string, ""},
    {Kind::kString, "upper", upper_string, ""},
    {Kind::kDict, "copy", copied, ""},
    {Kind::kDict, "get", get, "key default"},
    {Kind::kDict, "items", items, ""},
    {Kind::kDict, "keys", keys, ""},
    {Kind::kDict, "values", values, ""},
    {Kind::kList, "count", count_in_list, "value"},
    {Kind::kList, "copy", copied, ""},
    {Kind::kList, "index", index, "value start stop"},
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

/// What dict() takes: another dictionary, or pairs.
std::vector<std::pair<JinjaValue, JinjaValue>> entries_of(const JinjaArguments& arguments,
                                                          JinjaHeap& heap) {
  if (arguments.positional.size() > 1) fail("a dictionary is made of one other, and of names");
  if (arguments.positional.empty()) return {};
  const JinjaValue& given = arguments.positional[0];
  if (given.is(Kind::kDict)) return given.dict->entries;
  std::vector<std::pair<JinjaValue, JinjaValue>> entries;
  for (const JinjaValue& item : jinja_items(given, heap)) {
    const std::vector<JinjaValue> pair = jinja_items(item, heap);
    if (pair.size() != 2) fail("a dictionary is made of pairs, found {} values", pair.size());
    heap.step(static_cast<int64_t>(entries.size() / 8));
    const auto there = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) {
      return jinja_equal(entry.first, pair[0], heap);
    });
    if (there != entries.end())
      there->second = pair[1];
    else
      entries.emplace_back(pair[0], pair[1]);
  }
  return entries;
}

JinjaValue name_space(const JinjaArguments& arguments, JinjaHeap& heap) {
  JinjaDict& made = heap.name_space();
  for (const auto& [key, value] : entries_of(arguments, heap)) made.set(key, value, heap);
  for (const auto& [name, value] : arguments.named) made.set(heap.view(name, false), value, heap);
  return JinjaValue::of(&made);
}

JinjaValue dictionary(const JinjaArguments& arguments, JinjaHeap& heap) {
  std::vector<std::pair<JinjaValue, JinjaValue>> entries = entries_of(arguments, heap);
  heap.step(static_cast<int64_t>(entries.size() / 8));
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

/// What cycler() and joiner() give: they remember where they are.
JinjaValue with_memory(JinjaFunction::Builtin which, std::vector<JinjaValue> items,
                       JinjaHeap& heap) {
  JinjaFunction& made = heap.function();
  made.builtin = which;
  made.items = heap.list(std::move(items)).list;
  return JinjaValue::of(&made);
}
JinjaValue cycler(const JinjaArguments& arguments, JinjaHeap& heap) {
  if (arguments.positional.empty() || !arguments.named.empty())
    fail("cycler takes the values that it gives one after another");
  return with_memory(JinjaFunction::Builtin::kCycler, arguments.positional, heap);
}
JinjaValue joiner(const JinjaArguments& arguments, JinjaHeap& heap) {
  const P p("sep", arguments);
  const JinjaValue between = p.find(0) != nullptr ? *p.find(0) : heap.view(", ", false);
  return with_memory(JinjaFunction::Builtin::kJoiner, {between}, heap);
}

/// cycler.next() and cycler.reset().
std::optional<JinjaValue> turned(const JinjaFunction& of, std::string_view name) {
  const std::vector<JinjaValue>& items = of.items->items;
  if (name == "reset") {
    of.used = 0;
    return JinjaValue::none();
  }
  if (name != "next") return {};
  const JinjaValue now = items[static_cast<size_t>(of.used)];
  of.used = (of.used + 1) % std::ssize(items);
  return now;
}

constexpr std::pair<std::string_view, JinjaFunction::Builtin> kFunctions[] = {
    {"cycler", JinjaFunction::Builtin::kMakeCycler},
    {"joiner", JinjaFunction::Builtin::kMakeJoiner},
    {"range", JinjaFunction::Builtin::kRange},
    {"dict", JinjaFunction::Builtin::kDict},
    {"namespace", JinjaFunction::Builtin::kNamespace},
    {"raise_exception", JinjaFunction::Builtin::kRaise},
    {"strftime_now", JinjaFunction::Builtin::kNow},
};

const JinjaMethod* find_method(const JinjaValue& object, std::string_view name) {
  if (object.is(Kind::kDict) && object.dict->is_namespace) return nullptr;
  for (const JinjaMethod& method : kMethods)
    if (method.kind == object.kind && method.name == name) return &method;
  for (const JinjaMethod& method : jinja_string_methods())
    if (method.kind == object.kind && method.name == name) return &method;
  return nullptr;
}

}  // namespace

std::optional<JinjaValue> call_jinja_method(const JinjaValue& object, std::string_view name,
                                            const JinjaArguments& arguments, JinjaHeap& heap) {
  if (object.is(Kind::kString) && name == "format")
    return jinja_format(*object.string, arguments, heap);
  if (object.is(Kind::kString) && name == "format_map") {
    JinjaArguments named;
    const JinjaValue& given = P("mapping", arguments).need(0);
    if (!given.is(Kind::kDict)) fail("format_map takes a dictionary, found {}", jinja_kind(given));
    heap.step(static_cast<int64_t>(given.dict->entries.size() / 8));
    for (const auto& [key, value] : given.dict->entries)
      if (key.is(Kind::kString)) named.named.emplace_back(key.string->bytes, value);
    return jinja_format(*object.string, named, heap);
  }
  if (object.is(Kind::kFunction) && object.function->builtin == JinjaFunction::Builtin::kCycler)
    return turned(*object.function, name);
  const JinjaMethod* method = find_method(object, name);
  if (method == nullptr) return {};
  return method->call(object, P(method->parameters, arguments), heap);
}

bool has_jinja_method(const JinjaValue& object, std::string_view name) {
  return find_method(object, name) != nullptr ||
         (object.is(Kind::kString) && (name == "format" || name == "format_map"));
}

std::string jinja_methods_of(const JinjaValue& object) {
  std::vector<std::string_view> names;
  for (const JinjaMethod& method : kMethods)
    if (method.kind == object.kind && find_method(object, method.name))
      names.push_back(method.name);
  if (object.is(Kind::kString)) {
    names.insert(names.end(), {"format", "format_map"});
    for (const JinjaMethod& method : jinja_string_methods()) names.push_back(method.name);
  }
  std::sort(names.begin(), names.end());
  return joined(names, ", ");
}

std::optional<JinjaFunction::Builtin> find_jinja_function(std::string_view name) {
  for (const auto& [known, function] : kFunctions)
    if (known == name) return function;
  if (name == "lipsum")
    fail("the function \"lipsum\" gives another text each time; Falconer has none");
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
    case JinjaFunction::Builtin::kMakeCycler:
      return cycler(arguments, heap);
    case JinjaFunction::Builtin::kMakeJoiner:
      return joiner(arguments, heap);
    case JinjaFunction::Builtin::kCycler:
    case JinjaFunction::Builtin::kJoiner:
      fail("a cycler cannot be called; it has next()");
    case JinjaFunction::Builtin::kMethod:
      fail("a method is called apart from its object");
    case JinjaFunction::Builtin::kRaise:
      break;
  }
  fail("the template refuses these messages: {}",
       printable(P("message", arguments).text(0, "without a reason")));
}

}  // namespace falconer
