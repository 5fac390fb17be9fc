#include "text/jinja/interpreter.h"

#include "base/error.h"
#include "text/jinja/jinja.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/unicode.h"

namespace falconer {
namespace {

using Node = JinjaNode::Kind;

}  // namespace

JinjaInterpreter::Deeper::Deeper(JinjaInterpreter& it) : interpreter(it) {
  if (++it.depth_ > it.heap_.limits().depth) {
    --it.depth_;
    fail("its blocks and macros call each other more than {} deep", it.heap_.limits().depth);
  }
}

MarkedText JinjaInterpreter::run(const JinjaNode& root) { return captured(root); }

MarkedText JinjaInterpreter::captured(const JinjaNode& block) {
  MarkedText text;
  MarkedText* const outer = std::exchange(out_, &text);
  execute(block);
  out_ = outer;
  return text;
}

void JinjaInterpreter::write(const JinjaValue& value) {
  if (value.is(Kind::kString))
    out_->append(value.string->bytes, value.string->parts);
  else
    out_->append(jinja_text(value, heap_));
  heap_.pass(value.is(Kind::kString) ? value.string->bytes.size() : 0);
  if (out_->size() > heap_.limits().output)
    fail("it writes more than {} MB", heap_.limits().output >> 20);
}

JinjaInterpreter::Flow JinjaInterpreter::execute(const JinjaNode& node) {
  const Deeper deeper(*this);
  heap_.step();
  line_ = node.line;
  switch (node.kind) {
    case Node::kBlock:
      for (const auto& child : node.children)
        if (const Flow flow = execute(*child); flow != Flow::kNext) return flow;
      return Flow::kNext;
    case Node::kText:
      write(node.value);
      return Flow::kNext;
    case Node::kOutput:
      write(evaluate(*node.child(0)));
      return Flow::kNext;
    case Node::kIf:
      return execute_if(node);
    case Node::kFor:
      return execute_for(node);
    case Node::kSet:
      assign(*node.child(0), evaluate(*node.child(1)));
      return Flow::kNext;
    case Node::kSetBlock:
      execute_set_block(node);
      return Flow::kNext;
    case Node::kMacro:
      define_macro(node);
      return Flow::kNext;
    case Node::kCallBlock:
      execute_call_block(node);
      return Flow::kNext;
    case Node::kFilterBlock:
      execute_filter_block(node);
      return Flow::kNext;
    case Node::kWith:
      return execute_with(node);
    case Node::kBreak:
      return Flow::kBreak;
    case Node::kContinue:
      return Flow::kContinue;
    default:
      FALCONER_CHECK(!"a statement of a chat template");
      return Flow::kNext;
  }
}

JinjaInterpreter::Flow JinjaInterpreter::execute_if(const JinjaNode& node) {
  size_t i = 0;
  for (; i + 1 < node.children.size(); i += 2)
    if (jinja_true(evaluate(*node.child(i)))) return execute(*node.child(i + 1));
  return i < node.children.size() ? execute(*node.child(i)) : Flow::kNext;
}

JinjaInterpreter::Flow JinjaInterpreter::execute_for(const JinjaNode& node) {
  return go_through(node, evaluate(*node.child(1)), 1);
}

JinjaValue JinjaInterpreter::loop_items(const JinjaNode& node, const JinjaValue& over) {
  const JinjaValue items = over.is(Kind::kList) ? over : heap_.list(jinja_items(over, heap_));
  if (node.child(2) == nullptr) return items;
  std::vector<JinjaValue> kept;
  for (const JinjaValue& item : items.list->items) {
    assign(*node.child(0), item);
    if (jinja_true(evaluate(*node.child(2)))) kept.push_back(item);
  }
  return heap_.list(std::move(kept));
}

JinjaInterpreter::Flow JinjaInterpreter::go_through(const JinjaNode& node, const JinjaValue& over,
                                                    int64_t depth) {
  JinjaScope* const outer = scope_;
  scope_ = &heap_.scope(outer);
  const JinjaValue items = loop_items(node, over);
  JinjaLoop& loop = heap_.loop();
  loop.items = items.list;
  loop.scope = outer;
  loop.depth = depth;
  if (node.index == 1) loop.recursive = &node;
  Flow flow = Flow::kNext;
  for (; loop.index < std::ssize(items.list->items) && flow != Flow::kBreak; ++loop.index) {
    scope_->values.clear();
    scope_->set(node.name, JinjaValue::of(&loop));
    assign(*node.child(0), items.list->items[static_cast<size_t>(loop.index)]);
    flow = execute(*node.child(3));
  }
  scope_ = outer;
  if (items.list->items.empty() && node.child(4) != nullptr) return execute(*node.child(4));
  return Flow::kNext;
}

JinjaInterpreter::Flow JinjaInterpreter::execute_with(const JinjaNode& node) {
  JinjaScope* const outer = scope_;
  JinjaScope& inner = heap_.scope(outer);
  for (size_t i = 0; i + 2 < node.children.size(); i += 2) {
    const JinjaValue value = evaluate(*node.child(i + 1));
    scope_ = &inner;
    assign(*node.child(i), value);
    scope_ = outer;
  }
  scope_ = &inner;
  const Flow flow = execute(*node.children.back());
  scope_ = outer;
  return flow;
}

void JinjaInterpreter::execute_set_block(const JinjaNode& node) {
  JinjaScope* const outer = scope_;
  scope_ = &heap_.scope(outer);
  JinjaValue value = heap_.string(captured(*node.child(1)));
  scope_ = outer;
  if (node.children.size() > 2) {
    block_value_ = value;
    value = evaluate(*node.child(2));
  }
  assign(*node.child(0), value);
}

void JinjaInterpreter::execute_call_block(const JinjaNode& node) {
  JinjaFunction& caller = heap_.function();
  caller.macro = node.child(1);
  caller.scope = scope_;
  write(call(*node.child(0), &caller));
}

void JinjaInterpreter::execute_filter_block(const JinjaNode& node) {
  JinjaScope* const outer = scope_;
  scope_ = &heap_.scope(outer);
  block_value_ = heap_.string(captured(*node.child(1)));
  const JinjaValue value = evaluate(*node.child(0));
  scope_ = outer;
  write(value);
}

void JinjaInterpreter::define_macro(const JinjaNode& node) {
  JinjaFunction& function = heap_.function();
  function.macro = &node;
  function.scope = scope_;
  scope_->set(node.name, JinjaValue::of(&function));
}

void JinjaInterpreter::assign(const JinjaNode& target, const JinjaValue& value) {
  heap_.step();
  if (target.kind == Node::kName) {
    heap_.take(2 * sizeof(JinjaValue));
    heap_.step(static_cast<int64_t>(scope_->values.size() / 16));
    return scope_->set(target.name, value);
  }
  if (target.kind == Node::kSetAttribute) {
    int64_t passed = 0;
    const JinjaValue* holder = scope_->find(target.name, passed);
    heap_.step(passed / 16);
    if (holder == nullptr || !holder->is(Kind::kDict) || !holder->dict->is_namespace)
      fail("only a member of a namespace can be set");
    return holder->dict->set(target.value, value, heap_);
  }
  const std::vector<JinjaValue> items = jinja_items(value, heap_);
  if (items.size() != target.children.size())
    fail("{} values are given to {} names", items.size(), target.children.size());
  for (size_t i = 0; i < items.size(); ++i) assign(*target.child(i), items[i]);
}

JinjaTemplate::JinjaTemplate(std::string source, std::string name)
    : source_(std::move(source)), name_(std::move(name)) {
  constexpr size_t kLongest = size_t{1} << 18;  // the largest of known models have some 20 KB
  if (source_.size() > kLongest)
    fail("{}: has {} bytes; expected at most {}", name_, source_.size(), kLongest);
  if (valid_utf8_prefix(source_) < source_.size()) source_ = to_valid_utf8(source_);
  try {
    tree_ = std::make_unique<const JinjaTree>(parse_jinja(source_));
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", name_, error.what()), error.exit_code());
  }
}
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;
JinjaTemplate& JinjaTemplate::operator=(JinjaTemplate&&) noexcept = default;
JinjaTemplate::~JinjaTemplate() = default;

MarkedText JinjaTemplate::render(Variables variables, JinjaHeap& heap) const {
  JinjaScope& globals = heap.scope(nullptr);
  for (const auto& [name, value] : variables)
    if (const auto number = tree_->names.find(std::string(name)); number != tree_->names.end())
      globals.set(number->second, value);
  JinjaInterpreter interpreter(*tree_, heap, globals);
  try {
    return interpreter.run(*tree_->root);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: line {}: {}", name_, interpreter.line(), error.what()),
                error.exit_code());
  }
}

}  // namespace falconer
