#include "text/grammar/json_grammar.h"

#include "text/grammar/json_rules.h"

namespace falconer::grammar {

std::shared_ptr<const Grammar> any_json_object() {
  static const auto grammar = [] {
    RuleWriter writer;
    JsonRules rules(writer);
    const Rule root = writer.add_rule();
    const State begun = writer.add_state();
    for (const char byte : {' ', '\n'}) writer.add_byte(writer.start(root), byte, begun);
    writer.add_nothing(writer.start(root), begun);
    writer.add_call(begun, rules.object(), writer.end(root));
    return std::make_shared<const Grammar>(writer.finish(root));
  }();
  return grammar;
}

}  // namespace falconer::grammar
