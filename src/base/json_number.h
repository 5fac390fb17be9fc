// Values in JSON that nobody has vouched for. What is asked for is said with its kind and range, and
// anything else is an Error that names file, member, what was found and what was expected:
//
//   const JsonFields fields(json, path.string());          // Error where json is no object
//   o.rank = fields.required_whole("r", {1, 4096});
//   o.alpha = fields.real("lora_alpha", {.least = 0, .most = 1e9}).value_or(8);
//   o.layers = fields.required_whole({"num_hidden_layers", "n_layer"}, {1, 10000});
//
// One rule for all files: a boolean is no number and a text is none ("3"); a real without a fraction is
// a whole number (2.0, 1e3) up to 2^53, where it is still exact, and 2.5 is none; integers are exact up
// to 64 bits, and what is beyond is refused, as are infinite numbers. A member that is null is not there.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/number.h"

namespace falconer {

/// Nothing where the value is no whole number, or one beyond 64 bits.
template <class Json>
std::optional<int64_t> whole_value(const Json& value);

/// One value. `name` is what the error calls it, in quotes; `where` (a file, or file and line) begins the
/// error, and may be empty where a caller puts it in front. All templates are there for nlohmann::json and
/// nlohmann::ordered_json.
template <class Json>
int64_t whole_number(const Json& value, std::string_view name, const WholeRange& range = kAnyWhole,
                     std::string_view where = {});
/// 0 to 2^64 - 1, for seeds and sizes.
template <class Json>
uint64_t unsigned_number(const Json& value, std::string_view name, std::string_view where = {});
template <class Json>
double real_number(const Json& value, std::string_view name, const RealRange& range = kAnyReal,
                   std::string_view where = {});

/// "Infinity", "-Infinity" or "NaN" where it is {"__float__": that}, transformers 5's way and without_bare_numbers()';
/// else empty.
template <class Json>
std::string bare_number(const Json& value);

/// What a value is, for a message: a number or a short text as it is written, "a list of 3", "an object".
template <class Json>
std::string found_text(const Json& value);

/// null, an empty text, list or object.
template <class Json>
bool says_nothing(const Json& value);

/// The names that a member may have; the first that is there counts.
class JsonNames {
 public:
  JsonNames(const char* name) : names_{name} {}  // NOLINT(google-explicit-constructor)
  JsonNames(std::initializer_list<const char*> names) : names_(names) {}
  const std::vector<const char*>& all() const { return names_; }

 private:
  std::vector<const char*> names_;
};

/// The members of one object. Keeps a reference to it.
template <class Json>
class JsonFields {
 public:
  /// Error: `object` is not one.
  JsonFields(const Json& object, std::string where);

  /// Null where no such member is there, or null is.
  const Json* find(const JsonNames& names) const;

  // Nothing where the member is missing or null. Errors: another kind, out of range.
  std::optional<int64_t> whole(const JsonNames& names, const WholeRange& range = kAnyWhole) const;
  std::optional<uint64_t> unsigned_whole(const JsonNames& names) const;
  std::optional<double> real(const JsonNames& names, const RealRange& range = kAnyReal) const;
  std::optional<bool> boolean(const JsonNames& names) const;
  std::optional<std::string> text(const JsonNames& names) const;
  // Lists; empty where the member is missing or null.
  std::vector<int64_t> wholes(const JsonNames& names, const WholeRange& range = kAnyWhole) const;
  std::vector<double> reals(const JsonNames& names, const RealRange& range = kAnyReal) const;
  std::vector<std::string> texts(const JsonNames& names) const;

  // As above. Error as well: the member is missing.
  int64_t required_whole(const JsonNames& names, const WholeRange& range = kAnyWhole) const;
  double required_real(const JsonNames& names, const RealRange& range = kAnyReal) const;
  std::string required_text(const JsonNames& names) const;

  const std::string& where() const { return where_; }

 private:
  const Json& object_;
  std::string where_;
};

}  // namespace falconer
