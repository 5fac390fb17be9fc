// The fields of a request's JSON: each is asked for by name, and what nobody asked for is an error.
#pragma once

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/number.h"
#include "serve/json.h"

namespace falconer::serve {

/// Of a name that nobody knows, for a guess at what was meant: comparing takes time.
inline constexpr size_t kLongestCompared = 64;

/// The object that a request's body is. RequestErrors: no JSON, another value, a key twice, lists or objects too deep
/// in each other.
Json parse_body(std::string_view body);

/// RequestErrors name the field. A field that is null is not there.
class RequestFields {
 public:
  /// `where`: of an object within the request, "stream_options."; outlives this.
  explicit RequestFields(const Json& object, std::string where = {});

  /// Null where it is not there.
  const Json* find(const std::string& name);
  std::optional<int64_t> whole(const std::string& name, const WholeRange& range);
  std::optional<double> real(const std::string& name, const RealRange& range);
  std::optional<bool> boolean(const std::string& name);
  std::optional<std::string> text(const std::string& name);
  /// One text, or a list of at most `most`.
  std::vector<std::string> texts(const std::string& name, size_t most);
  std::vector<int32_t> ids(const std::string& name, size_t most);

  /// A field that OpenAI or vLLM have and that is not supported: error, unless it has one of these values, with which it
  /// changes nothing.
  void unsupported(const std::string& name, std::initializer_list<Json> neutral = {});
  /// A field that says nothing about the answer.
  void ignore(const std::string& name) { find(name); }
  /// Error: there is a field that was not asked for.
  void end() const;

  [[noreturn]] void fail(const std::string& name, const std::string& what,
                         const char* code = "invalid_value") const;
  [[noreturn]] void wrong_type(const std::string& name, const Json& value,
                               const std::string& expected) const;

 private:
  const Json& object_;
  std::string where_;
  std::set<std::string> asked_;
};

}  // namespace falconer::serve
