// Filters of chat templates that few models use: text for people, and lists in groups.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja/format.h"
#include "text/jinja/layout.h"
#include "text/jinja/library.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/unicode.h"

namespace falconer {
namespace {

using FilterArguments = JinjaParameters;

// ---- text

JinjaValue center(const JinjaValue& v, const FilterArguments& p, JinjaHeap& h) {
  JinjaArguments width;
  width.positional.push_back(p.find(0) != nullptr ? *p.find(0) : JinjaValue::of(int64_t{80}));
  return jinja_centered(JinjaValue::of(&jinja_string(v, h)),
                        FilterArguments("width fillchar", width), h);
}

JinjaValue truncate(const JinjaValue& v, const FilterArguments& p, JinjaHeap& h) {
  if (v.is(JinjaValue::Kind::kUndefined)) return v;
  if (!v.is(JinjaValue::Kind::kString)) fail("truncate takes a string, found {}", jinja_kind(v));
  const JinjaValue end = p.find(2) != nullptr ? *p.find(2) : h.view("...", false);
  if (!end.is(JinjaValue::Kind::kString))
    fail("truncate: end is a string, found {}", jinja_kind(end));
  const int64_t length = p.integer(0, 255), leeway = p.integer(3, 5);
  const int64_t kept = length - jinja_characters(end.string->bytes);
  if (kept < 0) fail("truncate: {} characters have no room for the end", length);
  if (leeway < 0) fail("truncate: the leeway {} is negative", leeway);
  h.pass(v.string->bytes.size());
  const int64_t all = jinja_characters(v.string->bytes);
  if (all - leeway <= length) return v;
  MarkedText made = jinja_first_of(jinja_marked(*v.string), kept);
  if (!p.flag(1, false)) made = made.part(0, std::min(made.text().rfind(' '), made.size()));
  made.append(end.string->bytes, end.string->parts);
  return h.string(std::move(made));
}

JinjaValue count_words(const JinjaValue& v, const FilterArguments&, JinjaHeap& h) {
  const std::string_view bytes = jinja_string(v, h).bytes;
  h.step(static_cast<int64_t>(bytes.size() / 32));
  int64_t count = 0;
  bool inside = false;
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char c = decode_utf8(bytes, at);
    const bool word = is_letter(c.code) || is_number(c.code) || c.code == '_';
    count += word && !inside;
    inside = word;
    at += c.length;
  }
  return JinjaValue::of(count);
}

JinjaValue size_of_file(const JinjaValue& v, const FilterArguments& p, JinjaHeap& h) {
  const JinjaValue number =
      apply_jinja_filter(find_jinja_filter("float"), v, {{JinjaValue::undefined()}, {}}, h);
  if (!number.is(JinjaValue::Kind::kFloat))
    fail("filesizeformat takes a number, found {}", jinja_kind(v));
  const double bytes = number.real, base = p.flag(0, false) ? 1024 : 1000;
  if (bytes == 1) return h.string("1 Byte", false);
  if (bytes < base) {
    if (!(bytes > -9e18)) fail("filesizeformat: a number is too large");
    return h.string(fmt::format("{} Bytes", static_cast<int64_t>(bytes)), false);
  }
  if (std::isnan(bytes)) return h.string(base == 1024 ? "nan YiB" : "nan YB", false);
  double unit = base;
  const std::string_view prefixes = base == 1024 ? "KMGTPEZY" : "kMGTPEZY";
  size_t i = 0;
  for (unit *= base; i + 1 < prefixes.size() && bytes >= unit; ++i) unit *= base;
  MarkedText made = jinja_laid_out(base * bytes / unit, {.precision = 1, .type = 'f'}, h);
  made.append(std::string(" ") + prefixes[i] + (base == 1024 ? "iB" : "B"), false);
  return h.string(std::move(made));
}

/// Every byte as %XX, but for letters, digits, "_.-~" and what is in `safe`; parts keep their marks.
MarkedText quoted(const JinjaString& string, bool query, JinjaHeap& h) {
  h.take(3 * string.bytes.size());
  h.pass(3 * string.bytes.size());
  MarkedText made;
  size_t at = 0;
  for (const MarkedText::Part& part : string.parts) {
    std::string text;
    for (; at < part.end; ++at) {
      const char c = string.bytes[at];
      const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                         (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-' || c == '~' ||
                         (c == '/' && !query);
      if (plain)
        text += c;
      else if (c == ' ' && query)
        text += '+';
      else
        text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    made.append(text, part.data);
  }
  return made;
}

JinjaValue encode_url(const JinjaValue& v, const FilterArguments&, JinjaHeap& h) {
  const bool pairs = v.is(JinjaValue::Kind::kDict) || v.is(JinjaValue::Kind::kList) ||
                     v.is(JinjaValue::Kind::kUndefined);
  if (!pairs) return h.string(quoted(jinja_string(v, h), false, h));
  MarkedText made;
  const auto add = [&](const JinjaValue& key, const JinjaValue& value) {
    h.step();
    if (!made.empty()) made.append("&", false);
    made.append(quoted(jinja_string(key, h), true, h));
    made.append("=", false);
    made.append(quoted(jinja_string(value, h), true, h));
  };
  if (v.is(JinjaValue::Kind::kDict)) {
    for (const auto& [key, value] : v.dict->entries) add(key, value);
  } else {
    for (const JinjaValue& item : jinja_items(v, h)) {
      const std::vector<JinjaValue> pair = jinja_items(item, h);
      if (pair.size() != 2) fail("urlencode takes pairs of a name and a value");
      add(pair[0], pair[1]);
    }
  }
  return h.string(std::move(made));
}

JinjaValue xml_attributes(const JinjaValue& v, const FilterArguments& p, JinjaHeap& h) {
  if (!v.is(JinjaValue::Kind::kDict)) fail("xmlattr takes a dictionary, found {}", jinja_kind(v));
  const int escape = find_jinja_filter("escape");
  MarkedText made;
  for (const auto& [key, value] : v.dict->entries) {
    h.step();
    if (value.is(JinjaValue::Kind::kNone) || value.is(JinjaValue::Kind::kUndefined)) continue;
    if (!key.is(JinjaValue::Kind::kString) ||
        key.string->bytes.find_first_of(" \t\n\r\f\v/>=") != std::string_view::npos)
      fail("xmlattr: \"{}\" cannot be the name of an attribute",
           printable(jinja_text(key, h).text()));
    if (!made.empty() || p.flag(0, true)) made.append(" ", false);
    made.append(jinja_marked(*apply_jinja_filter(escape, key, {}, h).string));
    made.append("=\"", false);
    made.append(jinja_marked(*apply_jinja_filter(escape, value, {}, h).string));
    made.append("\"", false);
  }
  return h.string(std::move(made));
}

// ---- lists

JinjaValue batch(const JinjaValue& v, const FilterArguments& p, JinjaHeap& h) {
  p.need(0);
  const int64_t size = p.integer(0, 0);
  std::vector<JinjaValue> made, row;
  for (const JinjaValue& item : jinja_items(v, h)) {
    if (std::ssize(row) == size) made.push_back(h.list(std::exchange(row, {})));
    row.push_back(item);
  }
  if (row.empty()) return h.list(std::move(made));
  const int64_t missing = size - std::ssize(row);
  if (const JinjaValue* fill = p.find(1);
      fill != nullptr && !fill->is(JinjaValue::Kind::kNone) && missing > 0) {
    if (static_cast<size_t>(missing) > h.limits().bytes / sizeof(JinjaValue))
      fail("batch: {} values take too much memory", size);
    row.insert(row.end(), static_cast<size_t>(missing), *fill);
  }
  made.push_back(h.list(std::move(row)));
  return h.list(std::move(made));
}

JinjaValue columns(const JinjaValue& v, const FilterArguments& p, JinjaHeap& h) {
  p.need(0);
  const int64_t count = p.integer(0, 0);
  if (count == 0) fail("slice: division by 0");
  const std::vector<JinjaValue> items = jinja_items(v, h);
  std::vector<JinjaValue> made;
  auto at = items.begin();
  for (int64_t i = 0; i < count; ++i) {
    const bool extra = i < std::ssize(items) % count;
    const auto end = at + std::ssize(items) / count + extra;
    std::vector<JinjaValue> part(at, end);
    if (const JinjaValue* fill = p.find(1);
        fill != nullptr && !fill->is(JinjaValue::Kind::kNone) && !extra)
      part.push_back(*fill);
    h.step();
    made.push_back(h.list(std::move(part)));
    at = end;
  }
  return h.list(std::move(made));
}

JinjaValue groups(const JinjaValue& v, const FilterArguments& p, JinjaHeap& h) {
  const std::vector<JinjaValue> items = jinja_items(v, h);
  const int lower = find_jinja_filter("lower");
  const bool exact = p.flag(2, false);
  struct One {
    JinjaValue item, name, key;
  };
  std::vector<One> all;
  for (const JinjaValue& item : items) {
    const JinjaValue name = jinja_attribute(item, p.need(0), p.find(1), h);
    const bool folded = !exact && name.is(JinjaValue::Kind::kString);
    all.push_back({item, name, folded ? apply_jinja_filter(lower, name, {}, h) : name});
  }
  h.take(all.size() * sizeof(One));
  std::stable_sort(all.begin(), all.end(), [&](const One& a, const One& b) {
    h.step();
    return jinja_compare(a.key, b.key, h) < 0;
  });
  std::vector<JinjaValue> made, group;
  for (size_t i = 0; i < all.size(); ++i) {
    group.push_back(all[i].item);
    if (i + 1 < all.size() && jinja_equal(all[i].key, all[i + 1].key, h)) continue;
    const JinjaValue& name = all[i + 1 - group.size()].name;
    made.push_back(h.group(name, h.list(std::exchange(group, {}))));
  }
  return h.list(std::move(made));
}

/// What getattr() finds: members of namespaces and groups, and methods, not what dictionaries hold.
JinjaValue member(const JinjaValue& v, const FilterArguments& p, JinjaHeap& h) {
  const JinjaValue& name = p.need(0);
  if (!name.is(JinjaValue::Kind::kString)) fail("attr takes a name, found {}", jinja_kind(name));
  if (v.is(JinjaValue::Kind::kLoop))
    fail("attr of loop is not supported; write loop.{}", printable(name.string->bytes));
  if (has_jinja_method(v, name.string->bytes)) return jinja_method_value();
  if (v.is(JinjaValue::Kind::kDict) && !v.dict->is_namespace)
    return JinjaValue::undefined(name.string);
  if (v.is(JinjaValue::Kind::kUndefined)) fail("{} has no members", jinja_kind(v));
  return jinja_item(v, name, h);
}

constexpr JinjaFilter kMoreFilters[] = {
    {"attr", member, "name"},
    {"batch", batch, "linecount fill_with"},
    {"center", center, "width"},
    {"filesizeformat", size_of_file, "binary"},
    {"groupby", groups, "attribute default case_sensitive"},
    {"slice", columns, "slices fill_with"},
    {"truncate", truncate, "length killwords end leeway"},
    {"urlencode", encode_url, ""},
    {"wordcount", count_words, ""},
    {"xmlattr", xml_attributes, "autospace"},
};

}  // namespace

std::span<const JinjaFilter> jinja_more_filters() { return kMoreFilters; }

}  // namespace falconer
