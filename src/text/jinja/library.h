// What a chat template can call: filters, tests, methods and functions, each in its table.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace falconer {

struct JinjaArguments {
  std::vector<JinjaValue> positional;
  std::vector<std::pair<std::string_view, JinjaValue>> named;
};

/// The arguments of a call in the order of its parameters; null where one was left out.
class JinjaParameters {
 public:
  /// `names`: the parameters, parted by blanks. Error: too many arguments, an unknown name.
  JinjaParameters(std::string_view names, const JinjaArguments& arguments);

  const JinjaValue* find(size_t i) const { return values_[i]; }
  /// Error: it was left out.
  const JinjaValue& need(size_t i) const;
  int64_t integer(size_t i, int64_t absent) const;
  bool flag(size_t i, bool absent) const;
  std::string_view text(size_t i, std::string_view absent) const;

 private:
  std::array<const JinjaValue*, 4> values_{};
};

struct JinjaFilter {
  std::string_view name;
  JinjaValue (*apply)(const JinjaValue&, const JinjaParameters&, JinjaHeap&);
  std::string_view parameters;
};
std::span<const JinjaFilter> jinja_more_filters();
std::span<const JinjaFilter> jinja_number_filters();

/// Its place in the tables; -1 where there is none.
int find_jinja_filter(std::string_view name);
/// Why there is none, and which there are.
std::string unknown_jinja_filter(std::string_view name);
JinjaValue apply_jinja_filter(int index, const JinjaValue& input, const JinjaArguments& arguments,
                              JinjaHeap& heap);

int find_jinja_test(std::string_view name);
std::string unknown_jinja_test(std::string_view name);
bool apply_jinja_test(int index, const JinjaValue& input, const JinjaArguments& arguments,
                      JinjaHeap& heap);

struct JinjaMethod {
  JinjaValue::Kind kind;
  std::string_view name;
  JinjaValue (*call)(const JinjaValue&, const JinjaParameters&, JinjaHeap&);
  std::string_view parameters;
};
std::span<const JinjaMethod> jinja_string_methods();

bool has_jinja_method(const JinjaValue& object, std::string_view name);
/// "x, y, z": the methods that `object` has.
std::string jinja_methods_of(const JinjaValue& object);
/// A method that is looked at and not called.
JinjaValue jinja_method_value();

/// object.name(arguments); nothing where `object` has no such method.
std::optional<JinjaValue> call_jinja_method(const JinjaValue& object, std::string_view name,
                                            const JinjaArguments& arguments, JinjaHeap& heap);

/// The functions that every template can name. Error: one of Jinja's that Falconer lacks.
std::optional<JinjaFunction::Builtin> find_jinja_function(std::string_view name);
JinjaValue call_jinja_function(JinjaFunction::Builtin function, const JinjaArguments& arguments,
                               JinjaHeap& heap);

// ---- what filters and methods share; `string` keeps its marks

/// White space to Python.
bool is_jinja_space(char32_t code);
/// item["a"]["b"] for a path "a.b"; `absent`, where it is not null, for what is not there.
JinjaValue jinja_attribute(const JinjaValue& item, const JinjaValue& path, const JinjaValue* absent,
                           JinjaHeap& heap);
/// rsplit() at white space.
JinjaValue jinja_split_from_right(const JinjaString& string, int64_t most, JinjaHeap& heap);
/// center(); parameters: width, fillchar.
JinjaValue jinja_centered(const JinjaValue& string, const JinjaParameters& parameters,
                          JinjaHeap& heap);

/// A string as it is, anything else as it is written.
const JinjaString& jinja_string(const JinjaValue& value, JinjaHeap& heap);
/// `side`: "both", "left" or "right"; `characters`: white space where empty.
JinjaValue jinja_strip(const JinjaString& string, std::string_view characters,
                       std::string_view side, JinjaHeap& heap);
JinjaValue jinja_replace(const JinjaString& string, const JinjaString& old, const JinjaString& by,
                         int64_t most, JinjaHeap& heap);
JinjaValue jinja_join(std::span<const JinjaValue> items, const JinjaString& between,
                      JinjaHeap& heap);
/// kTitle: words of letters, as str.title(); kWords: between blanks and opening brackets, as the
/// filter title.
enum class JinjaCase { kUpper, kLower, kTitle, kWords, kCapitalize };
JinjaValue jinja_recase(const JinjaString& string, JinjaCase to, JinjaHeap& heap);

}  // namespace falconer
