// The values of a chat template: small and passed by value. What they point to lives in a JinjaHeap
// for as long as one rendering, which also counts what the template takes, so that none can hang or
// grow without end.
#pragma once

#include <cstdint>
#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/marked_text.h"

namespace falconer {

class JinjaHeap;
struct JinjaNode;
struct JinjaString;
struct JinjaList;
struct JinjaDict;
struct JinjaLoop;
struct JinjaFunction;

struct JinjaValue {
  enum class Kind : uint8_t {
    kUndefined,  // `string`: what was looked for, or null
    kNone,
    kBoolean,
    kInteger,
    kFloat,
    kString,
    kList,
    kDict,
    kFunction,
    kLoop,  // the variable `loop`
  };

  Kind kind = Kind::kUndefined;
  union {
    const JinjaString* string = nullptr;
    bool boolean;
    int64_t integer;
    double real;
    const JinjaList* list;
    JinjaDict* dict;
    const JinjaFunction* function;
    const JinjaLoop* loop;
  };

  static JinjaValue none() { return of(Kind::kNone); }
  static JinjaValue of(bool value);
  static JinjaValue of(int64_t value);
  static JinjaValue of(double value);
  static JinjaValue of(const JinjaString* value);
  static JinjaValue of(const JinjaList* value);
  static JinjaValue of(JinjaDict* value);
  static JinjaValue of(const JinjaFunction* value);
  static JinjaValue of(const JinjaLoop* value);
  static JinjaValue undefined(const JinjaString* name = nullptr);

  bool is(Kind k) const { return kind == k; }
  bool is_number() const { return is(Kind::kInteger) || is(Kind::kFloat) || is(Kind::kBoolean); }
  /// Integers and booleans, which count as 0 and 1.
  bool is_integral() const { return is(Kind::kInteger) || is(Kind::kBoolean); }
  int64_t as_integer() const { return is(Kind::kBoolean) ? boolean : integer; }
  double as_real() const { return is(Kind::kFloat) ? real : static_cast<double>(as_integer()); }

 private:
  static JinjaValue of(Kind kind) {
    JinjaValue value;
    value.kind = kind;
    return value;
  }
};

struct JinjaString {
  std::string_view bytes;
  std::vector<MarkedText::Part> parts;  // as MarkedText has them
};

struct JinjaList {
  std::vector<JinjaValue> items;
  bool tuple = false;
  bool group = false;  // of groupby: (grouper, list), which are its attributes too
  int depth = 1;       // lists and dictionaries within each other, this one included
};

struct JinjaDict {
  std::vector<std::pair<JinjaValue, JinjaValue>> entries;
  bool is_namespace = false;  // the one kind of value that a template may change
  int depth = 1;

  const JinjaValue* find(std::string_view key) const;
  const JinjaValue* find(const JinjaValue& key, JinjaHeap& heap) const;
  void set(const JinjaValue& key, const JinjaValue& value, JinjaHeap& heap);
};

/// Names and values of a part of the template, in the parts around it.
struct JinjaScope {
  JinjaScope* parent = nullptr;
  std::vector<std::pair<int32_t, JinjaValue>> values;  // by the number of a name

  /// `passed`: counts what was looked at on the way.
  const JinjaValue* find(int32_t name, int64_t& passed) const;
  void set(int32_t name, const JinjaValue& value);
};

/// A macro, or a function that every template has.
struct JinjaFunction {
  const JinjaNode* macro = nullptr;
  JinjaScope* scope = nullptr;  // where the macro was defined
  enum class Builtin : uint8_t {
    kRange,
    kDict,
    kNamespace,
    kRaise,
    kNow,
    kMakeCycler,  // cycler(...)
    kMakeJoiner,  // joiner(...)
    kCycler,      // what cycler() gives, with its `items`
    kJoiner,      // what joiner() gives: items[0] in all calls but the first
    kMethod,      // a method that is looked at and not called
  };
  Builtin builtin = Builtin::kRange;
  const JinjaList* items = nullptr;
  mutable int64_t used = 0;  // the place of a cycler; the calls of a joiner
};

struct JinjaLoop {
  const JinjaList* items = nullptr;
  int64_t index = 0;
  const JinjaNode* recursive = nullptr;  // what loop(...) goes through again
  JinjaScope* scope = nullptr;           // around it
  int64_t depth = 1;
  mutable const JinjaList* changed = nullptr;  // what loop.changed was last given
};

struct JinjaLimits {
  int64_t steps = 4'000'000;
  size_t bytes = size_t{64} << 20;   // of all strings and lists together
  size_t output = size_t{16} << 20;  // of the text that is rendered, and of any one string
  int depth = 400;                   // of expressions, blocks and macros within each other
};

class JinjaHeap {
 public:
  explicit JinjaHeap(const JinjaLimits& limits) : limits_(limits) {}
  JinjaHeap(const JinjaHeap&) = delete;
  JinjaHeap& operator=(const JinjaHeap&) = delete;

  const JinjaLimits& limits() const { return limits_; }
  /// Error: the template takes more steps, or more memory, than it may.
  void step(int64_t count = 1);
  /// For work that goes through so many bytes.
  void pass(size_t bytes) { step(static_cast<int64_t>(bytes / 256)); }
  void take(size_t bytes);

  /// Counts what calls itself and is no node of the template: a filter that applies a filter, lists
  /// within lists.
  struct Deeper {
    explicit Deeper(JinjaHeap& of);
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    ~Deeper() { --heap.deep_; }
    JinjaHeap& heap;
  };

  JinjaValue string(std::string text, bool data);
  JinjaValue string(MarkedText text);
  /// Part of another string, which keeps its marks. Bytes are not copied.
  JinjaValue part(const JinjaString& whole, size_t begin, size_t end);
  /// Bytes that outlive the heap, not copied.
  JinjaValue view(std::string_view text, bool data);
  JinjaValue list(std::vector<JinjaValue> items, bool tuple = false);
  JinjaValue dict(std::vector<std::pair<JinjaValue, JinjaValue>> entries);
  /// One of groupby.
  JinjaValue group(const JinjaValue& grouper, const JinjaValue& items);
  JinjaDict& name_space();
  JinjaFunction& function();
  JinjaScope& scope(JinjaScope* parent);
  JinjaLoop& loop();
  /// Strings are views into `json`, which must outlive the heap.
  JinjaValue from_json(const nlohmann::ordered_json& json, bool data, int depth = 0);

 private:
  int deeper(int depth, const JinjaValue& inner) const;

  JinjaLimits limits_;
  void check_length(size_t bytes) const;

  int deep_ = 0;
  int64_t steps_ = 0;
  size_t bytes_ = 0;
  std::deque<std::string> bytes_of_strings_;
  std::deque<JinjaString> strings_;
  std::deque<JinjaList> lists_;
  std::deque<JinjaDict> dicts_;
  std::deque<JinjaFunction> functions_;
  std::deque<JinjaScope> scopes_;
  std::deque<JinjaLoop> loops_;
};

}  // namespace falconer
