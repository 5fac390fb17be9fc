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
    fail_here(fmt::format("{{% {} %}} is not supported in a chat template", printable(name)));
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
    if (is_name("recursive")) fail_here("a recursive loop is not supported");
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
    expect_operator("(");
    while (!is_operator(")")) {
      add(*made, parameter());
      if (!take_operator(",")) break;
    }
    expect_operator(")");
    end_tag();
    const int outer = std::exchange(loops_, 0);
    add(*made, block({"endmacro"}));
    loops_ = outer;
    closing("endmacro");
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
  Parser parser(jinja_tokens(source), tree);
  tree.root = parser.whole();
  return tree;
}

}  // namespace falconer
