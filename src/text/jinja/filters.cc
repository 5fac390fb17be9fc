// The filters of chat templates: value | name(arguments).

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "base/error.h"
#include "base/joined.h"
#include "text/jinja/format.h"
#include "text/jinja/layout.h"
#include "text/jinja/library.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"

namespace falconer {
using Kind = JinjaValue::Kind;
namespace {

using P = JinjaParameters;

JinjaValue trim(const JinjaValue& v, const P& p, JinjaHeap& h) {
  return jinja_strip(jinja_string(v, h), p.text(0, ""), "both", h);
}
JinjaValue length(const JinjaValue& v, const P&, JinjaHeap& h) {
  return JinjaValue::of(jinja_length(v, h));
}
JinjaValue upper(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(jinja_string(v, h), JinjaCase::kUpper, h);
}
JinjaValue lower(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(jinja_string(v, h), JinjaCase::kLower, h);
}
JinjaValue title(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(jinja_string(v, h), JinjaCase::kWords, h);
}
JinjaValue capitalize(const JinjaValue& v, const P&, JinjaHeap& h) {
  return jinja_recase(jinja_string(v, h), JinjaCase::kCapitalize, h);
}
JinjaValue text(const JinjaValue& v, const P&, JinjaHeap& h) {
  return JinjaValue::of(&jinja_string(v, h));
}

JinjaValue escape(const JinjaValue& v, const P&, JinjaHeap& h) {
  JinjaValue made = text(v, P("", {}), h);
  for (const auto& [from, to] :
       {std::pair("&", "&amp;"), std::pair("<", "&lt;"), std::pair(">", "&gt;"),
        std::pair("\"", "&#34;"), std::pair("'", "&#39;")})
    made =
        jinja_replace(*made.string, *h.view(from, false).string, *h.view(to, false).string, -1, h);
  return made;
}

// json.dumps as transformers gives it to templates: nothing is escaped for HTML.
JinjaValue tojson(const JinjaValue& v, const P& p, JinjaHeap& h) {
  JinjaJsonStyle style{.ascii = p.flag(0, false), .sort_keys = p.flag(3, false)};
  if (const JinjaValue* indent = p.find(1); indent != nullptr && !indent->is(Kind::kNone)) {
    style.lines = true;
    style.indent = indent->is(Kind::kString) ? std::string(indent->string->bytes)
                                             : jinja_filling(p.integer(1, 0), " ", false, h).text();
  }
  if (const JinjaValue* separators = p.find(2);
      separators != nullptr && !separators->is(Kind::kNone)) {
    const std::vector<JinjaValue> both = jinja_items(*separators, h);
    if (both.size() != 2) fail("tojson: separators are two strings");
    style.between = jinja_string(both[0], h).bytes;
    style.behind_key = jinja_string(both[1], h).bytes;
  }
  return h.string(jinja_json(v, style, h));
}

JinjaValue first(const JinjaValue& v, const P&, JinjaHeap& h) {
  if (v.is(Kind::kList) && !v.list->items.empty()) return v.list->items.front();
  const std::vector<JinjaValue> items = jinja_items(v, h);
  return items.empty() ? JinjaValue::undefined() : items.front();
}
JinjaValue last(const JinjaValue& v, const P&, JinjaHeap& h) {
  if (v.is(Kind::kList) && !v.list->items.empty()) return v.list->items.back();
  const std::vector<JinjaValue> items = jinja_items(v, h);
  return items.empty() ? JinjaValue::undefined() : items.back();
}
JinjaValue list(const JinjaValue& v, const P&, JinjaHeap& h) { return h.list(jinja_items(v, h)); }

JinjaValue reverse(const JinjaValue& v, const P&, JinjaHeap& h) {
  std::vector<JinjaValue> items = jinja_items(v, h);
  std::reverse(items.begin(), items.end());
  if (!v.is(Kind::kString)) return h.list(std::move(items));
  return jinja_join(items, *h.view("", false).string, h);
}

JinjaValue default_value(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const bool absent = v.is(Kind::kUndefined) || (p.flag(1, false) && !jinja_true(v));
  if (!absent) return v;
  return p.find(0) != nullptr ? *p.find(0) : h.view("", false);
}

JinjaValue replace(const JinjaValue& v, const P& p, JinjaHeap& h) {
  return jinja_replace(jinja_string(v, h), jinja_string(p.need(0), h), jinja_string(p.need(1), h),
                       p.integer(2, -1), h);
}

JinjaValue attribute_of(const JinjaValue& item, const JinjaValue& path, JinjaHeap& h) {
  return jinja_attribute(item, path, nullptr, h);
}

std::vector<JinjaValue> attributes_of(const JinjaValue& v, const JinjaValue* path, JinjaHeap& h) {
  std::vector<JinjaValue> items = jinja_items(v, h);
  if (path != nullptr && !path->is(Kind::kNone))
    for (JinjaValue& item : items) item = attribute_of(item, *path, h);
  return items;
}

JinjaValue join(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const JinjaValue between = p.find(0) != nullptr ? *p.find(0) : h.view("", false);
  return jinja_join(attributes_of(v, p.find(1), h), jinja_string(between, h), h);
}

JinjaValue pairs(const JinjaValue& v, const P&, JinjaHeap& h) {
  if (v.is(Kind::kUndefined)) return h.list({});
  if (!v.is(Kind::kDict)) fail("items of {} is not defined", jinja_kind(v));
  std::vector<JinjaValue> items;
  for (const auto& [key, value] : v.dict->entries) items.push_back(h.list({key, value}, true));
  return h.list(std::move(items));
}

/// What strings are sorted and told apart by, where their case does not count.
JinjaValue sort_key(const JinjaValue& v, bool case_sensitive, JinjaHeap& h) {
  return v.is(Kind::kString) && !case_sensitive ? jinja_recase(*v.string, JinjaCase::kLower, h) : v;
}

JinjaValue sorted(std::vector<JinjaValue> items, const std::vector<JinjaValue>& keys, bool reverse,
                  JinjaHeap& h) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    h.step();
    const int compared = jinja_equal(keys[a], keys[b], h) ? 0 : jinja_compare(keys[a], keys[b], h);
    return reverse ? compared > 0 : compared < 0;
  });
  std::vector<JinjaValue> made;
  for (const size_t i : order) made.push_back(items[i]);
  return h.list(std::move(made));
}

JinjaValue sort(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const std::vector<JinjaValue> items = jinja_items(v, h);
  std::vector<std::vector<JinjaValue>> parts(items.size());
  const auto add = [&](const JinjaValue* path) {
    const std::vector<JinjaValue> keys = attributes_of(v, path, h);
    for (size_t i = 0; i < keys.size(); ++i)
      parts[i].push_back(sort_key(keys[i], p.flag(1, false), h));
  };
  const JinjaValue* paths = p.find(2);
  if (paths != nullptr && paths->is(Kind::kString)) {  // one after another, between commas
    std::string_view rest = paths->string->bytes;
    for (size_t comma = 0; comma != std::string_view::npos; rest.remove_prefix(comma + 1)) {
      comma = rest.find(',');
      const JinjaValue path = h.view(rest.substr(0, comma), false);
      add(&path);
      if (comma == std::string_view::npos) break;
    }
  } else {
    add(paths);
  }
  std::vector<JinjaValue> keys;
  for (std::vector<JinjaValue>& part : parts) keys.push_back(h.list(std::move(part)));
  return sorted(items, keys, p.flag(0, false), h);
}

JinjaValue dictsort(const JinjaValue& v, const P& p, JinjaHeap& h) {
  if (!v.is(Kind::kDict)) fail("dictsort of {} is not defined", jinja_kind(v));
  const JinjaValue items = pairs(v, p, h);
  const std::string_view name = p.text(1, "key");
  if (name != "key" && name != "value")
    fail("dictsort: expected \"key\" or \"value\", found \"{}\"", printable(name));
  const size_t by = name == "value" ? 1 : 0;
  std::vector<JinjaValue> keys;
  for (const JinjaValue& pair : items.list->items)
    keys.push_back(sort_key(pair.list->items[by], p.flag(0, false), h));
  return sorted(items.list->items, keys, p.flag(2, false), h);
}

JinjaValue unique(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const std::vector<JinjaValue> items = jinja_items(v, h), names = attributes_of(v, p.find(1), h);
  std::vector<JinjaValue> made, keys;
  for (size_t i = 0; i < items.size(); ++i) {
    const JinjaValue key = sort_key(names[i], p.flag(0, false), h);
    h.step(1 + static_cast<int64_t>(keys.size()));
    if (key.is(Kind::kDict) || (key.is(Kind::kList) && !key.list->tuple))
      fail("unique takes values that can be keys, found {}", jinja_kind(key));
    if (std::any_of(keys.begin(), keys.end(),
                    [&](const JinjaValue& old) { return jinja_equal(old, key, h); }))
      continue;
    keys.push_back(key);
    made.push_back(items[i]);
  }
  return h.list(std::move(made));
}

JinjaValue extreme(const JinjaValue& v, const P& p, JinjaHeap& h, int sign) {
  const std::vector<JinjaValue> items = jinja_items(v, h), names = attributes_of(v, p.find(1), h);
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i)
    if (sign * jinja_compare(sort_key(names[i], p.flag(0, false), h),
                             sort_key(names[best], p.flag(0, false), h), h) >
        0)
      best = i;
  return items.empty() ? JinjaValue::undefined() : items[best];
}
JinjaValue least(const JinjaValue& v, const P& p, JinjaHeap& h) { return extreme(v, p, h, -1); }
JinjaValue most(const JinjaValue& v, const P& p, JinjaHeap& h) { return extreme(v, p, h, 1); }

JinjaValue sum(const JinjaValue& v, const P& p, JinjaHeap& h) {
  JinjaValue total = p.find(1) != nullptr ? *p.find(1) : JinjaValue::of(int64_t{0});
  if (total.is(Kind::kString)) fail("sum of strings is not defined; join puts them together");
  for (const JinjaValue& item : attributes_of(v, p.find(0), h))
    total = jinja_arithmetic("+", total, item, h);
  return total;
}

JinjaValue indent(const JinjaValue& v, const P& p, JinjaHeap& h) {
  const std::string blanks = p.find(0) != nullptr && p.find(0)->is(Kind::kString)
                                 ? std::string(p.find(0)->string->bytes)
                                 : jinja_filling(p.integer(0, 4), " ", false, h).text();
  const MarkedText whole = jinja_marked(jinja_string(v, h));
  MarkedText made;
  if (p.flag(1, false)) made.append(blanks, false);
  for (size_t begin = 0; begin <= whole.size();) {
    const size_t end = std::min(whole.text().find('\n', begin), whole.size());
    h.step(1 + static_cast<int64_t>(whole.parts().size()));
    h.take(blanks.size() + sizeof(MarkedText::Part));
    if (begin > 0 && (end > begin || p.flag(2, false))) made.append(blanks, false);
    made.append(whole.part(begin, std::min(end + 1, whole.size())));
    begin = end + 1;
  }
  return h.string(std::move(made));
}

// ---- filters that name another filter, or a test

JinjaArguments rest_of(const JinjaArguments& arguments, size_t taken) {
  JinjaArguments rest;
  for (size_t i = taken; i < arguments.positional.size(); ++i)
    rest.positional.push_back(arguments.positional[i]);
  return rest;
}

std::string_view name_at(const JinjaArguments& arguments, size_t i, const char* filter) {
  if (i >= arguments.positional.size() || !arguments.positional[i].is(Kind::kString))
    fail("{}: argument {} is a name", filter, i + 1);
  return arguments.positional[i].string->bytes;
}

/// select, reject, selectattr, rejectattr.
JinjaValue choose(const JinjaValue& v, const JinjaArguments& arguments, bool attribute, bool keep,
                  JinjaHeap& h) {
  const size_t at = attribute ? 1 : 0;
  if (attribute) name_at(arguments, 0, "selectattr");
  const bool tested = arguments.positional.size() > at;
  const int test = tested ? find_jinja_test(name_at(arguments, at, "select")) : 0;
  if (test < 0) fail("{}", unknown_jinja_test(arguments.positional[at].string->bytes));
  const JinjaArguments rest = rest_of(arguments, at + 1);
  std::vector<JinjaValue> made;
  for (const JinjaValue& item : jinja_items(v, h)) {
    const JinjaValue value = attribute ? attribute_of(item, arguments.positional[0], h) : item;
    const bool is = tested ? apply_jinja_test(test, value, rest, h) : jinja_true(value);
    if (is == keep) made.push_back(item);
  }
  return h.list(std::move(made));
}

JinjaValue map(const JinjaValue& v, const JinjaArguments& arguments, JinjaHeap& h) {
  const JinjaValue *attribute = nullptr, *absent = nullptr;
  for (const auto& [name, value] : arguments.named) {
    if (name == "attribute" && arguments.positional.empty()) attribute = &value;
    if (name == "default" && !value.is(Kind::kNone)) absent = &value;
  }
  std::vector<JinjaValue> made;
  if (attribute != nullptr) {
    for (const auto& [name, value] : arguments.named)
      if (name != "attribute" && name != "default")
        fail("map: there is no argument \"{}\" here", printable(name));
    for (const JinjaValue& item : jinja_items(v, h))
      made.push_back(jinja_attribute(item, *attribute, absent, h));
    return h.list(std::move(made));
  }
  const int filter = find_jinja_filter(name_at(arguments, 0, "map"));
  if (filter < 0) fail("{}", unknown_jinja_filter(name_at(arguments, 0, "map")));
  JinjaArguments rest = rest_of(arguments, 1);
  rest.named = arguments.named;
  for (const JinjaValue& item : jinja_items(v, h))
    made.push_back(apply_jinja_filter(filter, item, rest, h));
  return h.list(std::move(made));
}

/// value % arguments; arguments with names are a dictionary.
JinjaValue format(const JinjaValue& v, const JinjaArguments& arguments, JinjaHeap& h) {
  if (arguments.named.empty())
    return jinja_percent(jinja_string(v, h), h.list(arguments.positional, true), h);
  if (!arguments.positional.empty()) fail("format: arguments have names, or none has one");
  std::vector<std::pair<JinjaValue, JinjaValue>> entries;
  for (const auto& [name, value] : arguments.named)
    entries.emplace_back(h.view(name, false), value);
  return jinja_percent(jinja_string(v, h), h.dict(std::move(entries)), h);
}

constexpr JinjaFilter kFilters[] = {
    {"capitalize", capitalize, ""},
    {"count", length, ""},
    {"d", default_value, "default_value boolean"},
    {"default", default_value, "default_value boolean"},
    {"dictsort", dictsort, "case_sensitive by reverse"},
    {"e", escape, ""},
    {"escape", escape, ""},
    {"first", first, ""},
    {"forceescape", escape, ""},
    {"indent", indent, "width first blank"},
    {"items", pairs, ""},
    {"join", join, "d attribute"},
    {"last", last, ""},
    {"length", length, ""},
    {"list", list, ""},
    {"lower", lower, ""},
    {"max", most, "case_sensitive attribute"},
    {"min", least, "case_sensitive attribute"},
    {"replace", replace, "old new count"},
    {"reverse", reverse, ""},
    {"safe", text, ""},
    {"sort", sort, "reverse case_sensitive attribute"},
    {"string", text, ""},
    {"sum", sum, "attribute start"},
    {"title", title, ""},
    {"tojson", tojson, "ensure_ascii indent separators sort_keys"},
    {"trim", trim, "chars"},
    {"unique", unique, "case_sensitive attribute"},
    {"upper", upper, ""},
};
constexpr std::string_view kNaming[] = {"format",     "map",    "reject",
                                        "rejectattr", "select", "selectattr"};
/// Jinja's that Falconer lacks, and why.
constexpr std::pair<std::string_view, std::string_view> kLacking[] = {
    {"pprint", "is for those who write templates"},
    {"random", "gives another text each time"},
    {"striptags", "is for web pages"},
    {"urlize", "is for web pages"},
    {"wordwrap", "is not supported"},
};

/// All tables but kNaming, one behind the other.
const JinjaFilter* filter_at(size_t i) {
  for (const std::span<const JinjaFilter> table :
       {std::span<const JinjaFilter>(kFilters), jinja_more_filters(), jinja_number_filters()}) {
    if (i < table.size()) return &table[i];
    i -= table.size();
  }
  return nullptr;
}

}  // namespace

int find_jinja_filter(std::string_view name) {
  size_t i = 0;
  for (; filter_at(i) != nullptr; ++i)
    if (filter_at(i)->name == name) return static_cast<int>(i);
  for (const std::string_view known : kNaming) {
    if (known == name) return static_cast<int>(i);
    ++i;
  }
  return -1;
}

std::string unknown_jinja_filter(std::string_view name) {
  for (const auto& [lacking, why] : kLacking)
    if (lacking == name) return fmt::format("the filter \"{}\" {}; Falconer has none", name, why);
  std::vector<std::string_view> known(std::begin(kNaming), std::end(kNaming));
  for (size_t i = 0; filter_at(i) != nullptr; ++i) known.push_back(filter_at(i)->name);
  std::sort(known.begin(), known.end());
  return fmt::format("there is no filter \"{}\"; Falconer has {}", printable(name),
                     joined(known, ", "));
}

JinjaValue apply_jinja_filter(int index, const JinjaValue& input, const JinjaArguments& arguments,
                              JinjaHeap& heap) {
  heap.step();
  const size_t i = static_cast<size_t>(index);
  if (const JinjaFilter* filter = filter_at(i); filter != nullptr)
    return filter->apply(input, P(filter->parameters, arguments), heap);
  const std::string_view name = kNaming[i - std::size(kFilters) - jinja_more_filters().size() -
                                        jinja_number_filters().size()];
  const JinjaHeap::Deeper deeper(heap);
  heap.step(static_cast<int64_t>(arguments.positional.size()));
  if (name == "map") return map(input, arguments, heap);
  if (name == "format") return format(input, arguments, heap);
  return choose(input, arguments, name.ends_with("attr"), name.starts_with("select"), heap);
}

}  // namespace falconer
