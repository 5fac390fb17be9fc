#include "text/jinja/value.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/jinja/operators.h"

namespace falconer {
using Kind = JinjaValue::Kind;

JinjaValue JinjaValue::of(bool value) {
  JinjaValue made = of(Kind::kBoolean);
  made.boolean = value;
  return made;
}
JinjaValue JinjaValue::of(int64_t value) {
  JinjaValue made = of(Kind::kInteger);
  made.integer = value;
  return made;
}
JinjaValue JinjaValue::of(double value) {
  JinjaValue made = of(Kind::kFloat);
  made.real = value;
  return made;
}
JinjaValue JinjaValue::of(const JinjaString* value) {
  JinjaValue made = of(Kind::kString);
  made.string = value;
  return made;
}
JinjaValue JinjaValue::of(const JinjaList* value) {
  JinjaValue made = of(Kind::kList);
  made.list = value;
  return made;
}
JinjaValue JinjaValue::of(JinjaDict* value) {
  JinjaValue made = of(Kind::kDict);
  made.dict = value;
  return made;
}
JinjaValue JinjaValue::of(const JinjaFunction* value) {
  JinjaValue made = of(Kind::kFunction);
  made.function = value;
  return made;
}
JinjaValue JinjaValue::of(const JinjaLoop* value) {
  JinjaValue made = of(Kind::kLoop);
  made.loop = value;
  return made;
}
JinjaValue JinjaValue::undefined(const JinjaString* name) {
  JinjaValue made;
  made.string = name;
  return made;
}

const JinjaValue* JinjaDict::find(std::string_view key) const {
  for (const auto& [name, value] : entries)
    if (name.is(Kind::kString) && name.string->bytes == key) return &value;
  return nullptr;
}

const JinjaValue* JinjaDict::find(const JinjaValue& key, JinjaHeap& heap) const {
  heap.step(static_cast<int64_t>(entries.size() / 8));
  if (key.is(Kind::kString)) return find(key.string->bytes);
  for (const auto& [name, value] : entries)
    if (jinja_equal(name, key, heap)) return &value;
  return nullptr;
}

void JinjaDict::set(const JinjaValue& key, const JinjaValue& value, JinjaHeap& heap) {
  heap.step(static_cast<int64_t>(entries.size() / 8));
  for (auto& [name, old] : entries)
    if (jinja_equal(name, key, heap)) {
      old = value;
      return;
    }
  heap.take(2 * sizeof(JinjaValue));
  entries.emplace_back(key, value);
}

const JinjaValue* JinjaScope::find(int32_t name, int64_t& passed) const {
  for (const JinjaScope* scope = this; scope != nullptr; scope = scope->parent) {
    passed += 1 + std::ssize(scope->values);
    for (const auto& [known, value] : scope->values)
      if (known == name) return &value;
  }
  return nullptr;
}

void JinjaScope::set(int32_t name, const JinjaValue& value) {
  for (auto& [known, old] : values)
    if (known == name) {
      old = value;
      return;
    }
  values.emplace_back(name, value);
}

void JinjaHeap::step(int64_t count) {
  steps_ += count;
  if (steps_ > limits_.steps)
    fail("it takes more than {} steps; a chat template of a model takes some thousands",
         limits_.steps);
}

void JinjaHeap::take(size_t bytes) {
  bytes_ += bytes;
  if (bytes > limits_.bytes || bytes_ > limits_.bytes)
    fail("its values take more than {} MB of memory", limits_.bytes >> 20);
}

JinjaHeap::Deeper::Deeper(JinjaHeap& of) : heap(of) {
  if (++heap.deep_ > heap.limits_.depth) {
    --heap.deep_;
    fail("its filters call each other more than {} deep", heap.limits_.depth);
  }
}

void JinjaHeap::check_length(size_t bytes) const {
  if (bytes > limits_.output) fail("a string takes more than {} MB", limits_.output >> 20);
}

JinjaValue JinjaHeap::string(std::string text, bool data) {
  check_length(text.size());
  take(text.size() + sizeof(JinjaString));
  const std::string& kept = bytes_of_strings_.emplace_back(std::move(text));
  return view(kept, data);
}

JinjaValue JinjaHeap::string(MarkedText text) {
  check_length(text.size());
  pass(text.size());
  take(text.size() + text.parts().size() * sizeof(MarkedText::Part) + sizeof(JinjaString));
  JinjaString& made = strings_.emplace_back();
  made.parts.assign(text.parts().begin(), text.parts().end());
  made.bytes = bytes_of_strings_.emplace_back(text.text());
  return JinjaValue::of(&made);
}

JinjaValue JinjaHeap::part(const JinjaString& whole, size_t begin, size_t end) {
  step(static_cast<int64_t>(whole.parts.size() / 8));
  take(sizeof(JinjaString) + sizeof(MarkedText::Part));
  JinjaString& made = strings_.emplace_back();
  made.bytes = whole.bytes.substr(begin, end - begin);
  size_t from = 0;
  for (const MarkedText::Part& part : whole.parts) {
    const size_t a = std::max(from, begin), b = std::min(part.end, end);
    if (a < b) made.parts.push_back({b - begin, part.data});
    from = part.end;
    if (from >= end) break;
  }
  take(made.parts.size() * sizeof(MarkedText::Part));
  return JinjaValue::of(&made);
}

JinjaValue JinjaHeap::view(std::string_view text, bool data) {
  take(sizeof(JinjaString));
  JinjaString& made = strings_.emplace_back();
  made.bytes = text;
  if (!text.empty()) made.parts.push_back({text.size(), data});
  return JinjaValue::of(&made);
}

int JinjaHeap::deeper(int depth, const JinjaValue& inner) const {
  if (inner.is(Kind::kList)) depth = std::max(depth, 1 + inner.list->depth);
  if (inner.is(Kind::kDict)) depth = std::max(depth, 1 + inner.dict->depth);
  if (depth > limits_.depth) fail("its lists are more than {} deep", limits_.depth);
  return depth;
}

JinjaValue JinjaHeap::list(std::vector<JinjaValue> items, bool tuple) {
  step(static_cast<int64_t>(items.size() / 8));
  take(items.size() * sizeof(JinjaValue) + sizeof(JinjaList));
  int depth = 1;
  for (const JinjaValue& item : items) depth = deeper(depth, item);
  return JinjaValue::of(&lists_.emplace_back(JinjaList{std::move(items), tuple, false, depth}));
}

JinjaValue JinjaHeap::group(const JinjaValue& grouper, const JinjaValue& items) {
  const JinjaValue made = list({grouper, items}, true);
  lists_.back().group = true;
  return made;
}

JinjaValue JinjaHeap::dict(std::vector<std::pair<JinjaValue, JinjaValue>> entries) {
  take(entries.size() * 2 * sizeof(JinjaValue) + sizeof(JinjaDict));
  int depth = 1;
  for (const auto& [key, value] : entries) depth = deeper(depth, value);
  return JinjaValue::of(&dicts_.emplace_back(JinjaDict{std::move(entries), false, depth}));
}

JinjaDict& JinjaHeap::name_space() {
  take(sizeof(JinjaDict));
  return dicts_.emplace_back(JinjaDict{{}, true, 1});
}
JinjaFunction& JinjaHeap::function() {
  take(sizeof(JinjaFunction));
  return functions_.emplace_back();
}
JinjaScope& JinjaHeap::scope(JinjaScope* parent) {
  take(sizeof(JinjaScope) + 64);
  return scopes_.emplace_back(JinjaScope{parent, {}});
}
JinjaLoop& JinjaHeap::loop() {
  take(sizeof(JinjaLoop));
  return loops_.emplace_back();
}

JinjaValue JinjaHeap::from_json(const nlohmann::ordered_json& json, bool data, int depth) {
  if (depth > limits_.depth) fail("it is given values more than {} deep", limits_.depth);
  switch (json.type()) {
    case nlohmann::json::value_t::boolean:
      return JinjaValue::of(json.get<bool>());
    case nlohmann::json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
        return JinjaValue::of(json.get<double>());
      return JinjaValue::of(json.get<int64_t>());
    case nlohmann::json::value_t::number_integer:
      return JinjaValue::of(json.get<int64_t>());
    case nlohmann::json::value_t::number_float:
      return JinjaValue::of(json.get<double>());
    case nlohmann::json::value_t::string:
      return view(json.get_ref<const std::string&>(), data);
    case nlohmann::json::value_t::array: {
      std::vector<JinjaValue> items;
      items.reserve(json.size());
      for (const auto& item : json) items.push_back(from_json(item, data, depth + 1));
      return list(std::move(items));
    }
    case nlohmann::json::value_t::object: {
      std::vector<std::pair<JinjaValue, JinjaValue>> entries;
      entries.reserve(json.size());
      for (const auto& [key, value] : json.get_ref<const nlohmann::ordered_json::object_t&>())
        entries.emplace_back(view(key, data), from_json(value, data, depth + 1));
      return dict(std::move(entries));
    }
    default:
      return JinjaValue::none();
  }
}

}  // namespace falconer
