#include "text/jinja/parser.h"

#include <algorithm>

#include "base/error.h"
#include "text/jinja/expressions.h"

namespace falconer {
namespace {

using Node = JinjaNode::Kind;
using Token = JinjaToken::Kind;
using Ends = std::initializer_list<std::string_view>;

class Parser : public JinjaExpressionParser {
 public:
  using JinjaExpressionParser::JinjaExpressionParser;

  JinjaNodePtr whole() {
    JinjaNodePtr root = block({});
    if (token().kind != Token::kEnd) fail_here("expected the end, found " + found());
    return root;
  }

 private:
  /// Statements up to a tag {% name in `ends`, whose name is not taken yet.
  JinjaNodePtr block(Ends ends) {
    if (++blocks_ > 60) fail_here("its blocks are nested too deeply");
    JinjaNodePtr made = node(Node::kBlock);
    while (token().kind != Token::kEnd) {
      if (token().kind == Token::kText) {
        JinjaNodePtr text = text_literal(Node::kText, token().text);
        advance();
        add(*made, std::move(text));
      } else if (token().kind == Token::kOutputBegin) {
        JinjaNodePtr output = node(Node::kOutput);
        advance();
        add(*output, tuple());
        expect(Token::kOutputEnd, "}}");
        add(*made, std::move(output));
      } else {
        const JinjaToken& name = token(1);
        if (name.kind == Token::kName &&
            std::find(ends.begin(), ends.end(), name.text) != ends.end())
          break;
        advance();
        add(*made, statement());
      }
    }
    if (token().kind == Token::kEnd && ends.size() > 0)
      fail_here(fmt::format("{{% {} %}} is missing", *(ends.end() - 1)));
    --blocks_;
    return made;
  }

  void expect(Token kind, std::string_view what) {
    if (token().kind != kind) fail_here(fmt::format("expected \"{}\", found {}", what, found()));
    advance();
  }
  void end_tag() { expect(Token::kBlockEnd, "%}"); }
  /// {% name %}
  void closing(std::string_view name) {
    expect(Token::kBlockBegin, "{%");
    expect_name(name);
    end_tag();
  }

  JinjaNodePtr statement() {
    const std::string name = any_name();
    if (name == "if") return if_();
    if (name == "for") return for_();
    if (name == "set") return set();
    if (name == "macro") return macro();
    if (name == "call") return call_block();
    if (name == "filter") return filter_block();
    if (name == "print") return print();
    if (name == "with") return with();
    if (name == "generation") {
      end_tag();
      JinjaNodePtr made = node(Node::kWith);
      add(*made, block({"endgeneration"}));
      closing("endgeneration");
      return made;
    }
    if (name == "break" || name == "continue") {
      if (loops_ == 0) fail_here(fmt::format("{{% {} %}} stands outside of a loop", name));
      JinjaNodePtr made = node(name == "break" ? Node::kBreak : Node::kContinue);
      end_tag();
      return made;
    }
    fail_here(
        fmt::format("{{% {} %}} is not supported in a chat template; Falconer has break, call, "
                    "continue, filter, "
                    "for, generation, if, macro, print, raw, set, with",
                    printable(name)));
  }

  JinjaNodePtr if_() {
    JinjaNodePtr made = node(Node::kIf);
    add(*made, tuple());
    end_tag();
    for (;;) {
      add(*made, block({"elif", "else", "endif"}));
      advance();  // {%
      if (take_name("elif")) {
        add(*made, tuple());
        end_tag();
      } else if (take_name("else")) {
        end_tag();
        add(*made, block({"endif"}));
        closing("endif");
        return made;
      } else {
        expect_name("endif");
        end_tag();
        return made;
      }
    }
  }

  JinjaNodePtr for_() {
    JinjaNodePtr made = node(Node::kFor);
    made->name = tree_.name("loop");
    add(*made, target(false));
    expect_name("in");
    add(*made, tuple(false));
    add(*made, take_name("if") ? expression() : nullptr);
    if (take_name("recursive")) made->index = 1;
    end_tag();
    ++loops_;
    add(*made, block({"else", "endfor"}));
    --loops_;
    advance();  // {%
    if (take_name("else")) {
      end_tag();
      add(*made, block({"endfor"}));
      closing("endfor");
    } else {
      expect_name("endfor");
      end_tag();
      add(*made, nullptr);
    }
    return made;
  }

  JinjaNodePtr set() {
    JinjaNodePtr made = node(Node::kSet);
    add(*made, target(true));
    if (take_operator("=")) {
      add(*made, tuple());
      end_tag();
      return made;
    }
    made->kind = Node::kSetBlock;
    JinjaNodePtr filter = filters(nullptr, true);
    end_tag();
    add(*made, block({"endset"}));
    closing("endset");
    if (filter) add(*made, std::move(filter));
    return made;
  }

  JinjaNodePtr macro() {
    JinjaNodePtr made = node(Node::kMacro);
    made->text = any_name();
    made->name = tree_.name(made->text);
    parameters(*made);
    finish_macro(*made, "endmacro");
    return made;
  }

  void parameters(JinjaNode& made) {
    expect_operator("(");
    while (!is_operator(")")) {
      JinjaNodePtr one = parameter();
      if (one->kind == Node::kName && !made.children.empty() &&
          made.children.back()->kind == Node::kKeyword)
        fail_here("an argument without a default follows one with a default");
      add(made, std::move(one));
      if (!take_operator(",")) break;
    }
    expect_operator(")");
  }
  void finish_macro(JinjaNode& made, std::string_view end) {
    end_tag();
    const int outer = std::exchange(loops_, 0);
    add(made, block({end}));
    loops_ = outer;
    closing(end);
    made.index = specials(*made.children.back());
  }

  /// Which of caller, varargs and kwargs are looked up in it.
  int specials(const JinjaNode& body) const {
    int found = 0;
    if (body.kind == Node::kName)
      found = body.text == "caller"    ? JinjaNode::kCaller
              : body.text == "varargs" ? JinjaNode::kVarargs
              : body.text == "kwargs"  ? JinjaNode::kKwargs
                                       : 0;
    for (const auto& child : body.children)
      if (child) found |= specials(*child);
    return found;
  }

  /// {% print value, value %}
  JinjaNodePtr print() {
    JinjaNodePtr made = node(Node::kBlock);
    do {
      JinjaNodePtr output = node(Node::kOutput);
      add(*output, expression());
      add(*made, std::move(output));
    } while (take_operator(","));
    end_tag();
    return made;
  }

  /// {% call(parameters) macro(...) %} body {% endcall %}
  JinjaNodePtr call_block() {
    JinjaNodePtr made = node(Node::kCallBlock), caller = node(Node::kMacro, "caller");
    if (is_operator("(")) parameters(*caller);
    JinjaNodePtr call = expression();
    if (call->kind != Node::kCall) fail_here("expected the call of a macro in {% call %}");
    finish_macro(*caller, "endcall");
    add(*made, std::move(call));
    add(*made, std::move(caller));
    return made;
  }

  /// {% filter upper | ... %} body {% endfilter %}
  JinjaNodePtr filter_block() {
    JinjaNodePtr made = node(Node::kFilterBlock);
    add(*made, filters(first_filter(), true));
    end_tag();
    add(*made, block({"endfilter"}));
    closing("endfilter");
    return made;
  }

  JinjaNodePtr with() {
    JinjaNodePtr made = node(Node::kWith);
    while (token().kind != Token::kBlockEnd) {
      add(*made, target(false));
      expect_operator("=");
      add(*made, expression());
      if (!take_operator(",")) break;
    }
    end_tag();
    add(*made, block({"endwith"}));
    closing("endwith");
    return made;
  }

  int blocks_ = 0, loops_ = 0;
};

}  // namespace

JinjaTree parse_jinja(std::string_view source) {
  JinjaTree tree;
  tree.caller = tree.name("caller");
  tree.varargs = tree.name("varargs");
  tree.kwargs = tree.name("kwargs");
  Parser parser(jinja_tokens(source), tree);
  tree.root = parser.whole();
  return tree;
}

}  // namespace falconer
