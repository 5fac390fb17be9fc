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

JinjaValue jinja_method_value() { return JinjaValue::of(builtin(Builtin::kMethod)); }

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
    case Node::kPositive: {
      const JinjaValue value = evaluate(*node.child(0));
      if (!value.is_number()) fail("+{} is not defined", jinja_kind(value));
      return value.is(Kind::kFloat) ? value : JinjaValue::of(value.as_integer());
    }
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
  if (has_jinja_method(object, node.text)) return jinja_method_value();
  if (object.is(Kind::kFunction) && object.function->builtin == Builtin::kCycler &&
      node.text == "current")
    return object.function->items->items[static_cast<size_t>(object.function->used)];
  if (object.is(Kind::kFunction) && object.function->macro != nullptr && node.text == "name")
    return heap_.view(object.function->macro->text, false);
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
  if (name == "depth") return JinjaValue::of(loop.depth);
  if (name == "depth0") return JinjaValue::of(loop.depth - 1);
  if (name == "cycle" || name == "changed") return jinja_method_value();
  return JinjaValue::undefined(heap_.view(name, false).string);
}

JinjaValue JinjaInterpreter::loop_method(const JinjaLoop& loop, std::string_view name,
                                         const JinjaArguments& given) {
  if (!given.named.empty()) fail("loop.{} takes no names", printable(name));
  if (name == "cycle" && !given.positional.empty())
    return given.positional[static_cast<size_t>(loop.index) % given.positional.size()];
  if (name == "cycle") fail("loop.cycle takes the values that it gives one after another");
  if (name != "changed") fail("loop has no method \"{}\"; it has changed, cycle", printable(name));
  const JinjaValue now = heap_.list(given.positional, true);
  const JinjaList* const before = std::exchange(loop.changed, now.list);
  return JinjaValue::of(before == nullptr || !jinja_equal(JinjaValue::of(before), now, heap_));
}

JinjaValue JinjaInterpreter::call_loop(const JinjaLoop& loop, const JinjaArguments& given) {
  if (loop.recursive == nullptr) fail("only a loop that is \"recursive\" can be called");
  const JinjaValue over = JinjaParameters("iterable", given).need(0);
  const Deeper deeper(*this);
  JinjaScope* const outer = std::exchange(scope_, loop.scope);
  MarkedText text;
  MarkedText* const out = std::exchange(out_, &text);
  go_through(*loop.recursive, over, loop.depth + 1);
  out_ = out;
  scope_ = outer;
  return heap_.string(std::move(text));
}

JinjaValue JinjaInterpreter::call_value(const JinjaValue& callee, const JinjaArguments& given) {
  if (callee.is(Kind::kLoop)) return call_loop(*callee.loop, given);
  if (!callee.is(Kind::kFunction)) fail("{} cannot be called", jinja_kind(callee));
  return call_function(*callee.function, given);
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
    if (child.kind == Node::kKeyword) {
      made.named.emplace_back(child.text, evaluate(*child.child(0)));
    } else if (child.kind == Node::kUnpack && child.text == "*") {
      const std::vector<JinjaValue> items = jinja_items(evaluate(*child.child(0)), heap_);
      heap_.step(static_cast<int64_t>(items.size()));
      made.positional.insert(made.positional.end(), items.begin(), items.end());
    } else if (child.kind == Node::kUnpack) {
      const JinjaValue given = evaluate(*child.child(0));
      if (!given.is(Kind::kDict)) fail("**arguments is a dictionary, found {}", jinja_kind(given));
      for (const auto& [key, value] : given.dict->entries) {
        if (!key.is(Kind::kString)) fail("the name of an argument is a string");
        heap_.step(1 + static_cast<int64_t>(made.named.size() / 8));
        for (const auto& one : made.named)
          if (one.first == key.string->bytes)
            fail("argument \"{}\" is given twice", printable(one.first));
        made.named.emplace_back(key.string->bytes, value);
      }
    } else {
      made.positional.push_back(evaluate(child));
    }
  }
  return made;
}

JinjaValue JinjaInterpreter::call(const JinjaNode& node, const JinjaFunction* caller) {
  const auto given_to = [&] {
    JinjaArguments given = arguments(node);
    if (caller != nullptr) given.named.emplace_back("caller", JinjaValue::of(caller));
    return given;
  };
  const JinjaNode& callee = *node.child(0);
  if (callee.kind != Node::kAttribute) {
    const JinjaValue function = evaluate(callee);
    return call_value(function, given_to());
  }
  const JinjaValue object = evaluate(*callee.child(0));
  const JinjaArguments given = given_to();
  line_ = callee.line;
  if (const auto result = call_jinja_method(object, callee.text, given, heap_)) return *result;
  if (object.is(Kind::kLoop)) return loop_method(*object.loop, callee.text, given);
  if (object.is(Kind::kDict))
    if (const JinjaValue* member = object.dict->find(callee.text); member != nullptr)
      return call_value(*member, given);
  const std::string methods = jinja_methods_of(object);
  fail("{} has no method \"{}\" that a chat template could call{}", jinja_kind(object),
       printable(callee.text), methods.empty() ? "" : "; it has " + methods);
}

JinjaValue JinjaInterpreter::call_function(const JinjaFunction& function,
                                           const JinjaArguments& given) {
  if (function.macro != nullptr) return call_macro(function, given);
  if (function.builtin == Builtin::kJoiner) {
    if (!given.positional.empty() || !given.named.empty()) fail("a joiner takes no arguments");
    return function.used++ > 0 ? function.items->items[0] : heap_.view("", false);
  }
  return call_jinja_function(function.builtin, given, heap_);
}

JinjaValue JinjaInterpreter::call_macro(const JinjaFunction& function,
                                        const JinjaArguments& given) {
  const Deeper deeper(*this);
  JinjaScope* const outer = scope_;
  scope_ = &heap_.scope(function.scope);
  set_specials(*function.macro, given);
  set_parameters(*function.macro, given);
  const JinjaValue result = heap_.string(captured(*function.macro->children.back()));
  scope_ = outer;
  return result;
}

void JinjaInterpreter::set_parameters(const JinjaNode& macro, const JinjaArguments& given) {
  for (size_t i = 0; i + 1 < macro.children.size(); ++i) {
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
}

/// caller, varargs and kwargs, where the macro uses them; arguments that are too many are an error where
/// it does not.
void JinjaInterpreter::set_specials(const JinjaNode& macro, const JinjaArguments& given) {
  const size_t parameters = macro.children.size() - 1;
  const size_t taken = std::min(given.positional.size(), parameters);
  heap_.step(static_cast<int64_t>((parameters + 1) * given.named.size() / 8));
  const auto is_parameter = [&](std::string_view name) {
    return std::any_of(macro.children.begin() + static_cast<ptrdiff_t>(taken),
                       macro.children.end() - 1,
                       [&](const auto& child) { return child->text == name; });
  };
  JinjaValue caller = JinjaValue::undefined(heap_.view("caller", false).string);
  std::vector<std::pair<JinjaValue, JinjaValue>> rest;
  for (const auto& [name, value] : given.named) {
    if (is_parameter(name)) continue;
    if (name == "caller" && (macro.index & JinjaNode::kCaller) != 0)
      caller = value;
    else if ((macro.index & JinjaNode::kKwargs) != 0)
      rest.emplace_back(heap_.view(name, false), value);
    else
      fail("macro {} has no argument \"{}\", or it is given twice", printable(macro.text),
           printable(name));
  }
  if (given.positional.size() > parameters && (macro.index & JinjaNode::kVarargs) == 0)
    fail("macro {} takes {} arguments, and {} are given", printable(macro.text), parameters,
         given.positional.size());
  if ((macro.index & JinjaNode::kCaller) != 0) scope_->set(tree_.caller, caller);
  if ((macro.index & JinjaNode::kKwargs) != 0)
    scope_->set(tree_.kwargs, heap_.dict(std::move(rest)));
  if ((macro.index & JinjaNode::kVarargs) != 0)
    scope_->set(tree_.varargs, heap_.list({given.positional.begin() + static_cast<ptrdiff_t>(taken),
                                           given.positional.end()},
                                          true));
}

}  // namespace falconer
