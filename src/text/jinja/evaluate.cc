// The expressions of a chat template.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"

namespace falconer {
namespace {

using Node = JinjaNode::Kind;
using Builtin = JinjaFunction::Builtin;

/// A function that every template has, as a value.
const JinjaFunction* builtin(Builtin which) {
  static const auto all = [] {
    std::array<JinjaFunction, static_cast<size_t>(Builtin::kMethod) + 1> made;
    for (size_t i = 0; i < made.size(); ++i) made[i].builtin = static_cast<Builtin>(i);
    return made;
  }();
  return &all[static_cast<size_t>(which)];
}

/// What Python's dict has: "message.items" is this method, whatever keys there are.
bool is_dict_method(std::string_view name) {
  constexpr std::string_view kNames[] = {"clear",      "copy",   "fromkeys", "get",
                                         "items",      "keys",   "pop",      "popitem",
                                         "setdefault", "update", "values"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

}  // namespace

JinjaValue JinjaInterpreter::evaluate(const JinjaNode& node) {
  const Deeper deeper(*this);
  heap_.step();
  line_ = node.line;
  switch (node.kind) {
    case Node::kLiteral:
      return node.value;
    case Node::kName:
      return lookup(node);
    case Node::kList:
    case Node::kTuple:
      return list(node);
    case Node::kDict:
      return dict(node);
    case Node::kAttribute:
      return attribute(evaluate(*node.child(0)), node);
    case Node::kItem: {
      const JinjaValue object = evaluate(*node.child(0)), key = evaluate(*node.child(1));
      if (object.is(Kind::kLoop) && key.is(Kind::kString))
        return loop_attribute(*object.loop, key.string->bytes);
      return jinja_item(object, key, heap_);
    }
    case Node::kSlice:
      return jinja_slice(evaluate(*node.child(0)), optional(node, 1), optional(node, 2),
                         optional(node, 3), heap_);
    case Node::kCall:
      return call(node);
    case Node::kFilter: {
      const JinjaValue input = node.child(0) ? evaluate(*node.child(0)) : block_value_;
      return apply_jinja_filter(node.index, input, arguments(node), heap_);
    }
    case Node::kTest: {
      const JinjaValue input = evaluate(*node.child(0));
      return JinjaValue::of(apply_jinja_test(node.index, input, arguments(node), heap_));
    }
    case Node::kNot:
      return JinjaValue::of(!jinja_true(evaluate(*node.child(0))));
    case Node::kNegative:
      return jinja_negative(evaluate(*node.child(0)));
    case Node::kPositive:
      return evaluate(*node.child(0));
    case Node::kAnd: {
      const JinjaValue left = evaluate(*node.child(0));
      return jinja_true(left) ? evaluate(*node.child(1)) : left;
    }
    case Node::kOr: {
      const JinjaValue left = evaluate(*node.child(0));
      return jinja_true(left) ? left : evaluate(*node.child(1));
    }
    case Node::kArithmetic: {
      const JinjaValue left = evaluate(*node.child(0)), right = evaluate(*node.child(1));
      return jinja_arithmetic(node.text, left, right, heap_);
    }
    case Node::kConcatenate:
      return concatenate(node);
    case Node::kCompare:
      return compare(node);
    case Node::kConditional:
      if (jinja_true(evaluate(*node.child(0)))) return evaluate(*node.child(1));
      return node.child(2) ? evaluate(*node.child(2)) : JinjaValue::undefined();
    default:
      FALCONER_CHECK(!"an expression of a chat template");
      return {};
  }
}

JinjaValue JinjaInterpreter::optional(const JinjaNode& node, size_t child) {
  return node.child(child) != nullptr ? evaluate(*node.child(child)) : JinjaValue::none();
}

JinjaValue JinjaInterpreter::lookup(const JinjaNode& node) {
  int64_t passed = 0;
  const JinjaValue* found = scope_->find(node.name, passed);
  heap_.step(passed / 16);
  if (found != nullptr) return *found;
  if (const auto function = find_jinja_function(node.text))
    return JinjaValue::of(builtin(*function));
  return JinjaValue::undefined(node.value.string);
}

JinjaValue JinjaInterpreter::list(const JinjaNode& node) {
  std::vector<JinjaValue> items;
  items.reserve(node.children.size());
  for (const auto& child : node.children) items.push_back(evaluate(*child));
  return heap_.list(std::move(items), node.kind == Node::kTuple);
}

JinjaValue JinjaInterpreter::dict(const JinjaNode& node) {
  std::vector<std::pair<JinjaValue, JinjaValue>> entries;
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const JinjaValue key = evaluate(*node.child(i)), value = evaluate(*node.child(i + 1));
    heap_.step(static_cast<int64_t>(entries.size() / 16));
    const auto there = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) {
      return jinja_equal(entry.first, key, heap_);
    });
    if (there != entries.end())
      there->second = value;
    else
      entries.emplace_back(key, value);
  }
  return heap_.dict(std::move(entries));
}

JinjaValue JinjaInterpreter::attribute(const JinjaValue& object, const JinjaNode& node) {
  if (object.is(Kind::kLoop)) return loop_attribute(*object.loop, node.text);
  if (object.is(Kind::kDict) && !object.dict->is_namespace && is_dict_method(node.text))
    return JinjaValue::of(builtin(Builtin::kMethod));
  return jinja_item(object, node.value, heap_);
}

JinjaValue JinjaInterpreter::loop_attribute(const JinjaLoop& loop, std::string_view name) {
  const int64_t length = std::ssize(loop.items->items), i = loop.index;
  const auto item = [&](int64_t at) {
    return at >= 0 && at < length ? loop.items->items[static_cast<size_t>(at)]
                                  : JinjaValue::undefined();
  };
  if (name == "index") return JinjaValue::of(i + 1);
  if (name == "index0") return JinjaValue::of(i);
  if (name == "revindex") return JinjaValue::of(length - i);
  if (name == "revindex0") return JinjaValue::of(length - i - 1);
  if (name == "first") return JinjaValue::of(i == 0);
  if (name == "last") return JinjaValue::of(i + 1 == length);
  if (name == "length") return JinjaValue::of(length);
  if (name == "previtem") return item(i - 1);
  if (name == "nextitem") return item(i + 1);
  if (name == "depth" || name == "depth0")  // above 1 in recursive loops alone
    return JinjaValue::of(int64_t{name == "depth"});
  fail("loop.{} is not supported", printable(name));
}

JinjaValue JinjaInterpreter::compare(const JinjaNode& node) {
  JinjaValue left = evaluate(*node.child(0));
  for (size_t i = 1; i < node.children.size(); ++i) {
    const std::string_view op = node.child(i)->text;
    const JinjaValue right = evaluate(*node.child(i)->child(0));
    bool holds = false;
    if (op == "==")
      holds = jinja_equal(left, right, heap_);
    else if (op == "!=")
      holds = !jinja_equal(left, right, heap_);
    else if (op == "in")
      holds = jinja_contains(right, left, heap_);
    else if (op == "not in")
      holds = !jinja_contains(right, left, heap_);
    else if (op == "<")
      holds = jinja_compare(left, right, heap_) < 0;
    else if (op == "<=")
      holds = jinja_compare(left, right, heap_) <= 0;
    else if (op == ">")
      holds = jinja_compare(left, right, heap_) > 0;
    else
      holds = jinja_compare(left, right, heap_) >= 0;
    if (!holds) return JinjaValue::of(false);
    left = right;
  }
  return JinjaValue::of(true);
}

JinjaValue JinjaInterpreter::concatenate(const JinjaNode& node) {
  MarkedText text;
  for (const auto& child : node.children) {
    const MarkedText part = jinja_text(evaluate(*child), heap_);
    heap_.take(part.size());
    text.append(part);
  }
  return heap_.string(std::move(text));
}

JinjaArguments JinjaInterpreter::arguments(const JinjaNode& node) {
  JinjaArguments made;
  for (size_t i = 1; i < node.children.size(); ++i) {
    const JinjaNode& child = *node.child(i);
    if (child.kind == Node::kKeyword)
      made.named.emplace_back(child.text, evaluate(*child.child(0)));
    else
      made.positional.push_back(evaluate(child));
  }
  return made;
}

JinjaValue JinjaInterpreter::call(const JinjaNode& node) {
  const JinjaNode& callee = *node.child(0);
  if (callee.kind != Node::kAttribute) {
    const JinjaValue function = evaluate(callee);
    if (!function.is(Kind::kFunction)) fail("{} cannot be called", jinja_kind(function));
    return call_function(*function.function, arguments(node));
  }
  const JinjaValue object = evaluate(*callee.child(0));
  const JinjaArguments given = arguments(node);
  line_ = callee.line;
  if (const auto result = call_jinja_method(object, callee.text, given, heap_)) return *result;
  if (object.is(Kind::kLoop) && callee.text == "cycle" && !given.positional.empty())
    return given.positional[static_cast<size_t>(object.loop->index) % given.positional.size()];
  if (object.is(Kind::kDict))
    if (const JinjaValue* member = object.dict->find(callee.text);
        member != nullptr && member->is(Kind::kFunction))
      return call_function(*member->function, given);
  fail("{} has no method \"{}\" that a chat template could call", jinja_kind(object),
       printable(callee.text));
}

JinjaValue JinjaInterpreter::call_function(const JinjaFunction& function,
                                           const JinjaArguments& given) {
  if (function.macro != nullptr) return call_macro(function, given);
  return call_jinja_function(function.builtin, given, heap_);
}

JinjaValue JinjaInterpreter::call_macro(const JinjaFunction& function,
                                        const JinjaArguments& given) {
  const Deeper deeper(*this);
  const JinjaNode& macro = *function.macro;
  const size_t parameters = macro.children.size() - 1;
  if (given.positional.size() > parameters)
    fail("macro {} takes {} arguments, and {} are given", printable(macro.text), parameters,
         given.positional.size());
  heap_.step(static_cast<int64_t>(parameters * given.named.size() / 8));
  for (const auto& [name, value] : given.named)
    if (std::none_of(macro.children.begin(), macro.children.end() - 1,
                     [&, known = name](const auto& child) { return child->text == known; }))
      fail("macro {} has no argument \"{}\"", printable(macro.text), printable(name));
  JinjaScope* const outer = scope_;
  scope_ = &heap_.scope(function.scope);
  for (size_t i = 0; i < parameters; ++i) {
    const JinjaNode& parameter = *macro.child(i);
    const auto named = std::find_if(given.named.begin(), given.named.end(),
                                    [&](const auto& one) { return one.first == parameter.text; });
    JinjaValue value = JinjaValue::undefined();
    if (i < given.positional.size())
      value = given.positional[i];
    else if (named != given.named.end())
      value = named->second;
    else if (parameter.kind == Node::kKeyword)
      value = evaluate(*parameter.child(0));
    scope_->set(parameter.name, value);
  }
  const JinjaValue result = heap_.string(captured(*macro.children.back()));
  scope_ = outer;
  return result;
}

}  // namespace falconer
