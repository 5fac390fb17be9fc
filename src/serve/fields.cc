#include "serve/fields.h"

#include "base/json_file.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "base/nearest.h"
#include "serve/error.h"

namespace falconer::serve {
namespace {

/// How many keys are compared with another one where each object looks through all of its keys for a new one.
size_t compared_keys(std::string_view body) {
  std::vector<size_t> members;  // of what is open; a list has none
  size_t compared = 0;
  for (size_t at = 0; at < body.size(); ++at) {
    const char c = body[at];
    if (c == '"') {
      for (++at; at < body.size() && body[at] != '"'; ++at) at += body[at] == '\\';
    } else if (c == '{' || c == '[') {
      members.push_back(0);
    } else if (c == '}' || c == ']') {
      if (!members.empty()) members.pop_back();
    } else if (c == ':' && !members.empty()) {
      compared += members.back()++;
    }
  }
  return compared;
}

// A few large objects, and any number of small ones.
size_t most_compared(size_t bytes) { return 20'000'000 + 4 * bytes; }

}  // namespace

Json parse_body(std::string_view body) {
  if (const std::string excess = json_excess(body, true); !excess.empty())
    throw RequestError(400, "the request's body " + excess, "", "invalid_json");
  if (compared_keys(body) > most_compared(body.size()))
    throw RequestError(400, "the request's body holds too many objects with too many members", "",
                       "invalid_json");
  Json parsed = parse_ordered_json(body);
  if (parsed.is_discarded())
    throw RequestError(400, "the request's body is no JSON: " + json_complaint(body), "",
                       "invalid_json");
  if (!parsed.is_object())
    throw RequestError(400, "the request's body is " + found_text(parsed) + ", expected an object",
                       "", "invalid_json");
  if (const auto key = repeated_key(body, parsed))
    throw RequestError(400, "the request's body " + repeated_key_text(*key), *key, "invalid_json");
  return parsed;
}

RequestFields::RequestFields(const Json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object.is_object())
    throw RequestError(400,
                       fmt::format("\"{}\" is {}, expected an object",
                                   where_.substr(0, where_.size() - 1), found_text(object)),
                       where_.substr(0, where_.size() - 1), "invalid_type");
}

void RequestFields::fail(const std::string& name, const std::string& what, const char* code) const {
  throw RequestError(400, fmt::format("\"{}{}\" {}", where_, name, what), where_ + name, code);
}

void RequestFields::wrong_type(const std::string& name, const Json& value,
                               const std::string& expected) const {
  fail(name, fmt::format("is {}, expected {}", found_text(value), expected), "invalid_type");
}

const Json* RequestFields::find(const std::string& name) {
  asked_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<int64_t> RequestFields::whole(const std::string& name, const WholeRange& range) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  const auto number = whole_value(*value);
  if (!number) wrong_type(name, *value, expectation(range));
  if (!range.holds(*number))
    fail(name, fmt::format("is {}, expected {}", *number, expectation(range)));
  return number;
}

std::optional<double> RequestFields::real(const std::string& name, const RealRange& range) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_number()) wrong_type(name, *value, expectation(range));
  const double number = value->get<double>();
  if (!range.holds(number))
    fail(name, fmt::format("is {}, expected {}", found_text(*value), expectation(range)));
  return number;
}

std::optional<bool> RequestFields::boolean(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_boolean()) wrong_type(name, *value, "true or false");
  return value->get<bool>();
}

std::optional<std::string> RequestFields::text(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_string()) wrong_type(name, *value, "a text");
  return value->get<std::string>();
}

std::vector<std::string> RequestFields::texts(const std::string& name, size_t most) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array()) wrong_type(name, *value, "a text or a list of texts");
  if (value->size() > most)
    fail(name, fmt::format("has {} entries; at most {} are taken", value->size(), most));
  std::vector<std::string> all;
  for (const Json& item : *value) {
    if (!item.is_string()) wrong_type(name, item, "texts alone");
    all.push_back(item.get<std::string>());
  }
  return all;
}

std::vector<int32_t> RequestFields::ids(const std::string& name, size_t most) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_array()) wrong_type(name, *value, "a list of token ids");
  if (value->size() > most)
    fail(name, fmt::format("has {} entries; at most {} are taken", value->size(), most));
  std::vector<int32_t> all;
  for (const Json& item : *value) {
    const auto id = whole_value(item);
    if (!id || !WholeRange{0, INT32_MAX}.holds(*id)) wrong_type(name, item, "token ids alone");
    all.push_back(static_cast<int32_t>(*id));
  }
  return all;
}

void RequestFields::unsupported(const std::string& name, std::initializer_list<Json> neutral) {
  const Json* value = find(name);
  if (value == nullptr) return;
  std::string others;
  for (const Json& one : neutral) {
    if (one == *value) return;
    others += (others.empty() ? "; the only value that is taken is " : " or ") + one.dump();
  }
  fail(name,
       fmt::format("is {}, which is not supported here{}", found_text(*value),
                   others.empty() ? "; leave it out" : others),
       "unsupported_parameter");
}

void RequestFields::end() const {
  for (const auto& [name, value] : object_.items()) {
    if (asked_.contains(name)) continue;
    const std::vector<std::string> known(asked_.begin(), asked_.end());
    throw RequestError(400,
                       fmt::format("there is no field \"{}{}\"{}", where_, printable(name),
                                   did_you_mean(name.substr(0, kLongestCompared), known)),
                       where_ + printable(name), "unknown_parameter");
  }
}

}  // namespace falconer::serve
