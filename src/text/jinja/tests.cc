// The tests of chat templates, value is name, and how arguments become parameters.
#include "base/error.h"
#include "text/jinja/library.h"
#include "text/jinja/operators.h"

namespace falconer {
using Kind = JinjaValue::Kind;

JinjaParameters::JinjaParameters(std::string_view names, const JinjaArguments& arguments) {
  size_t count = 0;
  for (std::string_view rest = names; !rest.empty(); ++count) {
    const std::string_view name = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    if (count < arguments.positional.size()) values_[count] = &arguments.positional[count];
    for (const auto& [given, value] : arguments.named)
      if (given == name) {
        if (values_[count] != nullptr) fail("argument \"{}\" is given twice", printable(name));
        values_[count] = &value;
      }
  }
  if (arguments.positional.size() > count)
    fail("{} arguments are given where {} are taken", arguments.positional.size(), count);
  for (const auto& [given, value] : arguments.named)
    if ((" " + std::string(names) + " ").find(" " + std::string(given) + " ") == std::string::npos)
      fail("there is no argument \"{}\" here", printable(given));
}

const JinjaValue& JinjaParameters::need(size_t i) const {
  if (values_[i] == nullptr) fail("argument {} is missing", i + 1);
  return *values_[i];
}

int64_t JinjaParameters::integer(size_t i, int64_t absent) const {
  if (values_[i] == nullptr || values_[i]->is(Kind::kNone)) return absent;
  if (!values_[i]->is_integral())
    fail("argument {} is an integer, found {}", i + 1, jinja_kind(*values_[i]));
  return values_[i]->as_integer();
}

bool JinjaParameters::flag(size_t i, bool absent) const {
  return values_[i] == nullptr ? absent : jinja_true(*values_[i]);
}

std::string_view JinjaParameters::text(size_t i, std::string_view absent) const {
  if (values_[i] == nullptr || values_[i]->is(Kind::kNone)) return absent;
  if (!values_[i]->is(Kind::kString))
    fail("argument {} is a string, found {}", i + 1, jinja_kind(*values_[i]));
  return values_[i]->string->bytes;
}

namespace {

using P = JinjaParameters;

bool odd(const JinjaValue& v) {
  if (!v.is_integral()) fail("{} is neither odd nor even", jinja_kind(v));
  return v.as_integer() % 2 != 0;
}

bool same_case(const JinjaValue& v, std::string_view method, JinjaHeap& h) {
  return jinja_true(*call_jinja_method(JinjaValue::of(&jinja_string(v, h)), method, {}, h));
}

struct Test {
  std::string_view name;
  bool (*apply)(const JinjaValue&, const P&, JinjaHeap&);
  std::string_view parameters;
};

constexpr Test kTests[] = {
    {"!=",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) { return !jinja_equal(v, p.need(0), h); },
     "other"},
    {"<",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return jinja_compare(v, p.need(0), h) < 0;
     },
     "other"},
    {"<=",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return jinja_compare(v, p.need(0), h) <= 0;
     },
     "other"},
    {"==",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) { return jinja_equal(v, p.need(0), h); },
     "other"},
    {">",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return jinja_compare(v, p.need(0), h) > 0;
     },
     "other"},
    {">=",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return jinja_compare(v, p.need(0), h) >= 0;
     },
     "other"},
    {"boolean", [](const JinjaValue& v, const P&, JinjaHeap&) { return v.is(Kind::kBoolean); }, ""},
    {"callable",
     [](const JinjaValue& v, const P&, JinjaHeap&) {
       return v.is(Kind::kLoop) ||
              (v.is(Kind::kFunction) && v.function->builtin != JinjaFunction::Builtin::kCycler);
     },
     ""},
    {"defined", [](const JinjaValue& v, const P&, JinjaHeap&) { return !v.is(Kind::kUndefined); },
     ""},
    {"divisibleby",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return !jinja_true(jinja_arithmetic("%", v, p.need(0), h));
     },
     "num"},
    {"eq",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) { return jinja_equal(v, p.need(0), h); },
     "other"},
    {"equalto",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) { return jinja_equal(v, p.need(0), h); },
     "other"},
    {"even", [](const JinjaValue& v, const P&, JinjaHeap&) { return !odd(v); }, ""},
    {"false",
     [](const JinjaValue& v, const P&, JinjaHeap&) { return v.is(Kind::kBoolean) && !v.boolean; },
     ""},
    {"filter",
     [](const JinjaValue& v, const P&, JinjaHeap&) {
       return v.is(Kind::kString) && find_jinja_filter(v.string->bytes) >= 0;
     },
     ""},
    {"float", [](const JinjaValue& v, const P&, JinjaHeap&) { return v.is(Kind::kFloat); }, ""},
    {"ge",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return jinja_compare(v, p.need(0), h) >= 0;
     },
     "other"},
    {"greaterthan",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return jinja_compare(v, p.need(0), h) > 0;
     },
     "other"},
    {"gt",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return jinja_compare(v, p.need(0), h) > 0;
     },
     "other"},
    {"in",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) { return jinja_contains(p.need(0), v, h); },
     "seq"},
    {"integer", [](const JinjaValue& v, const P&, JinjaHeap&) { return v.is(Kind::kInteger); }, ""},
    {"iterable",
     [](const JinjaValue& v, const P&, JinjaHeap&) {
       return v.is(Kind::kString) || v.is(Kind::kList) || v.is(Kind::kUndefined) ||
              (v.is(Kind::kDict) && !v.dict->is_namespace);
     },
     ""},
    {"le",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return jinja_compare(v, p.need(0), h) <= 0;
     },
     "other"},
    {"lessthan",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return jinja_compare(v, p.need(0), h) < 0;
     },
     "other"},
    {"lower",
     [](const JinjaValue& v, const P&, JinjaHeap& h) { return same_case(v, "islower", h); }, ""},
    {"lt",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       return jinja_compare(v, p.need(0), h) < 0;
     },
     "other"},
    {"mapping",
     [](const JinjaValue& v, const P&, JinjaHeap&) {
       return v.is(Kind::kDict) && !v.dict->is_namespace;
     },
     ""},
    {"ne",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) { return !jinja_equal(v, p.need(0), h); },
     "other"},
    {"none", [](const JinjaValue& v, const P&, JinjaHeap&) { return v.is(Kind::kNone); }, ""},
    {"number", [](const JinjaValue& v, const P&, JinjaHeap&) { return v.is_number(); }, ""},
    {"odd", [](const JinjaValue& v, const P&, JinjaHeap&) { return odd(v); }, ""},
    {"sameas",
     [](const JinjaValue& v, const P& p, JinjaHeap& h) {
       const JinjaValue& other = p.need(0);
       if (v.kind != other.kind) return false;
       if (v.is(Kind::kList)) return v.list == other.list;
       if (v.is(Kind::kDict)) return v.dict == other.dict;
       return jinja_equal(v, other, h);
     },
     "other"},
    {"sequence",
     [](const JinjaValue& v, const P&, JinjaHeap&) {
       return v.is(Kind::kString) || v.is(Kind::kList) || v.is(Kind::kUndefined) ||
              (v.is(Kind::kDict) && !v.dict->is_namespace);
     },
     ""},
    {"string", [](const JinjaValue& v, const P&, JinjaHeap&) { return v.is(Kind::kString); }, ""},
    {"test",
     [](const JinjaValue& v, const P&, JinjaHeap&) {
       return v.is(Kind::kString) && find_jinja_test(v.string->bytes) >= 0;
     },
     ""},
    {"true",
     [](const JinjaValue& v, const P&, JinjaHeap&) { return v.is(Kind::kBoolean) && v.boolean; },
     ""},
    {"undefined", [](const JinjaValue& v, const P&, JinjaHeap&) { return v.is(Kind::kUndefined); },
     ""},
    {"upper",
     [](const JinjaValue& v, const P&, JinjaHeap& h) { return same_case(v, "isupper", h); }, ""},
};

}  // namespace

std::string unknown_jinja_test(std::string_view name) {
  std::string made = fmt::format("there is no test \"{}\"; Falconer has ", printable(name));
  for (const Test& test : kTests) (made += test.name) += &test == std::end(kTests) - 1 ? "" : ", ";
  return made;
}

int find_jinja_test(std::string_view name) {
  for (size_t i = 0; i < std::size(kTests); ++i)
    if (kTests[i].name == name) return static_cast<int>(i);
  return -1;
}

bool apply_jinja_test(int index, const JinjaValue& input, const JinjaArguments& arguments,
                      JinjaHeap& heap) {
  heap.step();
  const Test& test = kTests[static_cast<size_t>(index)];
  return test.apply(input, P(test.parameters, arguments), heap);
}

}  // namespace falconer
