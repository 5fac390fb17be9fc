// Walks the tree of a chat template.
#pragma once

#include "text/jinja/library.h"
#include "text/jinja/parser.h"

namespace falconer {

class JinjaInterpreter {
 public:
  JinjaInterpreter(const JinjaTree& tree, JinjaHeap& heap, JinjaScope& globals)
      : tree_(tree), heap_(heap), scope_(&globals) {}

  MarkedText run(const JinjaNode& root);
  /// Where it stands: for messages.
  int line() const { return line_; }

 private:
  enum class Flow { kNext, kBreak, kContinue };
  using Kind = JinjaValue::Kind;

  /// Counts the depth of calls within calls while it lives.
  struct Deeper {
    explicit Deeper(JinjaInterpreter& it);
    ~Deeper() { --interpreter.depth_; }
    JinjaInterpreter& interpreter;
  };

  // interpreter.cc: statements
  Flow execute(const JinjaNode& node);
  Flow execute_if(const JinjaNode& node);
  Flow execute_for(const JinjaNode& node);
  /// What a loop goes over: `over`, without what its condition leaves out.
  JinjaValue loop_items(const JinjaNode& node, const JinjaValue& over);
  Flow go_through(const JinjaNode& node, const JinjaValue& over, int64_t depth);
  void execute_call_block(const JinjaNode& node);
  void execute_filter_block(const JinjaNode& node);
  Flow execute_with(const JinjaNode& node);
  void execute_set_block(const JinjaNode& node);
  void define_macro(const JinjaNode& node);
  void write(const JinjaValue& value);
  void assign(const JinjaNode& target, const JinjaValue& value);
  MarkedText captured(const JinjaNode& block);

  // evaluate.cc: expressions
  JinjaValue evaluate(const JinjaNode& node);
  JinjaValue lookup(const JinjaNode& node);
  JinjaValue list(const JinjaNode& node);
  JinjaValue dict(const JinjaNode& node);
  JinjaValue attribute(const JinjaValue& object, const JinjaNode& node);
  JinjaValue loop_attribute(const JinjaLoop& loop, std::string_view name);
  JinjaValue compare(const JinjaNode& node);
  JinjaValue concatenate(const JinjaNode& node);
  /// `caller`: what a macro is given by that name, or null.
  JinjaValue call(const JinjaNode& node, const JinjaFunction* caller = nullptr);
  JinjaValue call_loop(const JinjaLoop& loop, const JinjaArguments& arguments);
  JinjaValue loop_method(const JinjaLoop& loop, std::string_view name,
                         const JinjaArguments& arguments);
  JinjaValue call_value(const JinjaValue& callee, const JinjaArguments& arguments);
  JinjaValue call_function(const JinjaFunction& function, const JinjaArguments& arguments);
  JinjaValue call_macro(const JinjaFunction& function, const JinjaArguments& arguments);
  void set_parameters(const JinjaNode& macro, const JinjaArguments& arguments);
  void set_specials(const JinjaNode& macro, const JinjaArguments& arguments);
  JinjaArguments arguments(const JinjaNode& node);
  /// The child, or none where it is missing.
  JinjaValue optional(const JinjaNode& node, size_t child);

  const JinjaTree& tree_;
  JinjaHeap& heap_;
  JinjaScope* scope_;
  MarkedText* out_ = nullptr;
  JinjaValue block_value_;  // what the filters of {% set x | filter %} work on
  int depth_ = 0, line_ = 0;
};

}  // namespace falconer
