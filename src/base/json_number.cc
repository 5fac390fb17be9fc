#include "base/json_number.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"

namespace falconer {
namespace {

constexpr double kExact = 9007199254740992.0;  // 2^53: every whole number up to here is a double

[[noreturn]] void refuse(std::string_view where, std::string_view name, const std::string& found,
                         const std::string& expected) {
  fail("{}{}\"{}\" is {}; expected {}", where, where.empty() ? "" : ": ", printable(name), found,
       expected);
}

template <class Json>
const Json& list_of(const Json& value, std::string_view name, const std::string& where) {
  if (!value.is_array()) refuse(where, name, found_text(value), "a list");
  return value;
}

}  // namespace

template <class Json>
std::optional<int64_t> whole_value(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.template get<uint64_t>();
    if (number > static_cast<uint64_t>(kAnyWhole.most)) return {};
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.template get<int64_t>();
  if (!value.is_number_float()) return {};
  const auto number = value.template get<double>();
  if (!(std::fabs(number) <= kExact) || number != std::floor(number)) return {};
  return static_cast<int64_t>(number);
}

template <class Json>
std::string bare_number(const Json& value) {
  const bool is = value.is_object() && value.size() == 1 && value.contains("__float__") &&
                  value["__float__"].is_string();
  return is ? value["__float__"].template get<std::string>() : "";
}

template <class Json>
std::string found_text(const Json& value) {
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  if (const std::string bare = bare_number(value); !bare.empty()) return printable(bare);
  if (value.is_object()) return "an object";
  if (value.is_number_float() && !std::isfinite(value.template get<double>()))
    return fmt::format("{}", value.template get<double>());  // which JSON would call null
  return printable(json_text(value));
}

template <class Json>
bool says_nothing(const Json& value) {
  return value.is_string() ? value.template get_ref<const std::string&>().empty() : value.empty();
}

template <class Json>
int64_t whole_number(const Json& value, std::string_view name, const WholeRange& range,
                     std::string_view where) {
  const std::optional<int64_t> number = whole_value(value);
  if (!number || !range.holds(*number)) refuse(where, name, found_text(value), expectation(range));
  return *number;
}

template <class Json>
uint64_t unsigned_number(const Json& value, std::string_view name, std::string_view where) {
  if (value.is_number_unsigned()) return value.template get<uint64_t>();
  const std::optional<int64_t> number = whole_value(value);
  if (!number || *number < 0)
    refuse(where, name, found_text(value), "a whole number from 0 to 18446744073709551615");
  return static_cast<uint64_t>(*number);
}

template <class Json>
double real_number(const Json& value, std::string_view name, const RealRange& range,
                   std::string_view where) {
  const double number = value.is_number() ? value.template get<double>() : std::nan("");
  if (!range.holds(number)) refuse(where, name, found_text(value), expectation(range));
  return number;
}

template <class Json>
JsonFields<Json>::JsonFields(const Json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object.is_object())
    fail("{}: is {}; expected an object with named members", where_, found_text(object));
}

namespace {

/// The one of `names` that is there, and not null; nothing where none is.
template <class Json>
const char* found_name(const Json& object, const JsonNames& names) {
  for (const char* name : names.all()) {
    const auto found = object.find(name);
    if (found != object.end() && !found->is_null()) return name;
  }
  return nullptr;
}

}  // namespace

template <class Json>
const Json* JsonFields<Json>::find(const JsonNames& names) const {
  const char* name = found_name(object_, names);
  return name == nullptr ? nullptr : &*object_.find(name);
}

template <class Json>
std::optional<int64_t> JsonFields<Json>::whole(const JsonNames& names,
                                               const WholeRange& range) const {
  const Json* value = find(names);
  if (value == nullptr) return {};
  return whole_number(*value, found_name(object_, names), range, where_);
}

template <class Json>
std::optional<uint64_t> JsonFields<Json>::unsigned_whole(const JsonNames& names) const {
  const Json* value = find(names);
  if (value == nullptr) return {};
  return unsigned_number(*value, found_name(object_, names), where_);
}

template <class Json>
std::optional<double> JsonFields<Json>::real(const JsonNames& names, const RealRange& range) const {
  const Json* value = find(names);
  if (value == nullptr) return {};
  return real_number(*value, found_name(object_, names), range, where_);
}

template <class Json>
std::optional<bool> JsonFields<Json>::boolean(const JsonNames& names) const {
  const Json* value = find(names);
  if (value == nullptr) return {};
  if (!value->is_boolean())
    refuse(where_, found_name(object_, names), found_text(*value), "true or false");
  return value->template get<bool>();
}

template <class Json>
std::optional<std::string> JsonFields<Json>::text(const JsonNames& names) const {
  const Json* value = find(names);
  if (value == nullptr) return {};
  if (!value->is_string()) refuse(where_, found_name(object_, names), found_text(*value), "a text");
  return value->template get<std::string>();
}

template <class Json>
std::vector<int64_t> JsonFields<Json>::wholes(const JsonNames& names,
                                              const WholeRange& range) const {
  std::vector<int64_t> numbers;
  if (const Json* value = find(names))
    for (const Json& one : list_of(*value, found_name(object_, names), where_))
      numbers.push_back(whole_number(one, found_name(object_, names), range, where_));
  return numbers;
}

template <class Json>
std::vector<double> JsonFields<Json>::reals(const JsonNames& names, const RealRange& range) const {
  std::vector<double> numbers;
  if (const Json* value = find(names))
    for (const Json& one : list_of(*value, found_name(object_, names), where_))
      numbers.push_back(real_number(one, found_name(object_, names), range, where_));
  return numbers;
}

template <class Json>
std::vector<std::string> JsonFields<Json>::texts(const JsonNames& names) const {
  std::vector<std::string> all;
  if (const Json* value = find(names))
    for (const Json& one : list_of(*value, found_name(object_, names), where_)) {
      if (!one.is_string())
        refuse(where_, found_name(object_, names), found_text(one), "a list of texts");
      all.push_back(one.template get<std::string>());
    }
  return all;
}

template <class Json>
int64_t JsonFields<Json>::required_whole(const JsonNames& names, const WholeRange& range) const {
  if (const auto value = whole(names, range)) return *value;
  fail("{}{}\"{}\" is missing; expected {}", where_, where_.empty() ? "" : ": ",
       names.all().front(), expectation(range));
}

template <class Json>
double JsonFields<Json>::required_real(const JsonNames& names, const RealRange& range) const {
  if (const auto value = real(names, range)) return *value;
  fail("{}{}\"{}\" is missing; expected {}", where_, where_.empty() ? "" : ": ",
       names.all().front(), expectation(range));
}

template <class Json>
std::string JsonFields<Json>::required_text(const JsonNames& names) const {
  if (auto value = text(names)) return *value;
  fail("{}{}\"{}\" is missing; expected a text", where_, where_.empty() ? "" : ": ",
       names.all().front());
}

#define FALCONER_INSTANTIATE(Json)                                                    \
  template class JsonFields<Json>;                                                    \
  template std::string bare_number(const Json&);                                      \
  template std::string found_text(const Json&);                                       \
  template bool says_nothing(const Json&);                                            \
  template std::optional<int64_t> whole_value(const Json&);                           \
  template int64_t whole_number(const Json&, std::string_view, const WholeRange&,     \
                                std::string_view);                                    \
  template uint64_t unsigned_number(const Json&, std::string_view, std::string_view); \
  template double real_number(const Json&, std::string_view, const RealRange&, std::string_view);
FALCONER_INSTANTIATE(nlohmann::json)
FALCONER_INSTANTIATE(nlohmann::ordered_json)
#undef FALCONER_INSTANTIATE

}  // namespace falconer
