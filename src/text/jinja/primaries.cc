// Parsing what the expressions of a chat template are made of: names, literals, calls, brackets.
#include <charconv>

#include "base/error.h"
#include "text/jinja/expressions.h"

namespace falconer {
namespace {

using Node = JinjaNode::Kind;
using Token = JinjaToken::Kind;

}  // namespace

JinjaNodePtr JinjaExpressionParser::primary() {
  switch (token().kind) {
    case Token::kName:
      return named();
    case Token::kString: {
      std::string text;
      const JinjaNodePtr place = node(Node::kLiteral);
      for (; token().kind == Token::kString; advance()) text += token().text;
      JinjaNodePtr made = text_literal(Node::kLiteral, std::move(text));
      made->line = place->line;
      return made;
    }
    case Token::kInteger:
    case Token::kFloat:
      return number(token().kind == Token::kFloat);
    default:
      break;
  }
  if (is_operator("[")) return list();
  if (is_operator("{")) return dict();
  if (!take_operator("(")) fail_here("expected an expression, found " + found());
  if (take_operator(")")) return node(Node::kTuple);
  JinjaNodePtr made = tuple();
  expect_operator(")");
  return made;
}

JinjaNodePtr JinjaExpressionParser::named() {
  const std::string text = token().text;
  JinjaNodePtr made = node(Node::kLiteral);
  advance();
  if (text == "true" || text == "True") {
    made->value = JinjaValue::of(true);
  } else if (text == "false" || text == "False") {
    made->value = JinjaValue::of(false);
  } else if (text == "none" || text == "None") {
    made->value = JinjaValue::none();
  } else {
    for (const char* word : {"and", "or", "not", "if", "else", "in", "is"})
      if (text == word) fail_here(fmt::format("expected an expression, found \"{}\"", word));
    made = text_literal(Node::kName, text);
    made->text = text;
    made->name = tree_.name(text);
  }
  return made;
}

JinjaNodePtr JinjaExpressionParser::number(bool real) {
  JinjaNodePtr made = node(Node::kLiteral);
  const std::string& text = token().text;
  const char* end = text.data() + text.size();
  if (real) {
    double value = 0;
    if (std::from_chars(text.data(), end, value).ptr != end) fail_here("a number is not whole");
    made->value = JinjaValue::of(value);
  } else {
    int64_t value = 0;
    const auto result = std::from_chars(text.data(), end, value);
    if (result.ec != std::errc() || result.ptr != end) fail_here("a number is too large");
    made->value = JinjaValue::of(value);
  }
  advance();
  return made;
}

JinjaNodePtr JinjaExpressionParser::list() {
  JinjaNodePtr made = node(Node::kList);
  advance();
  while (!is_operator("]")) {
    add(*made, expression());
    if (!take_operator(",")) break;
  }
  expect_operator("]");
  return made;
}

JinjaNodePtr JinjaExpressionParser::dict() {
  JinjaNodePtr made = node(Node::kDict);
  advance();
  while (!is_operator("}")) {
    add(*made, expression());
    expect_operator(":");
    add(*made, expression());
    if (!take_operator(",")) break;
  }
  expect_operator("}");
  return made;
}

JinjaNodePtr JinjaExpressionParser::postfix(JinjaNodePtr object) {
  for (;;) {
    if (is_operator(".")) {
      object = attribute(std::move(object));
    } else if (is_operator("[")) {
      object = subscript(std::move(object));
    } else if (is_operator("(")) {
      JinjaNodePtr made = node(Node::kCall);
      add(*made, std::move(object));
      arguments(*made);
      object = std::move(made);
    } else {
      return object;
    }
  }
}

JinjaNodePtr JinjaExpressionParser::attribute(JinjaNodePtr object) {
  JinjaNodePtr made = node(Node::kAttribute);
  advance();
  if (token().kind == Token::kInteger) {  // items.0 is items[0]
    made->kind = Node::kItem;
    add(*made, std::move(object));
    add(*made, number(false));
    return made;
  }
  const std::string name = any_name();
  made->text = name;
  made->value = text_literal(Node::kLiteral, name)->value;
  add(*made, std::move(object));
  return made;
}

JinjaNodePtr JinjaExpressionParser::subscript(JinjaNodePtr object) {
  JinjaNodePtr made = node(Node::kItem);
  advance();
  if (is_operator(":")) return slice(std::move(object), nullptr);
  JinjaNodePtr key = tuple();
  if (is_operator(":")) return slice(std::move(object), std::move(key));
  expect_operator("]");
  add(*made, std::move(object));
  add(*made, std::move(key));
  return made;
}

JinjaNodePtr JinjaExpressionParser::slice(JinjaNodePtr object, JinjaNodePtr start) {
  JinjaNodePtr made = node(Node::kSlice);
  add(*made, std::move(object));
  add(*made, std::move(start));
  for (int bound = 0; bound < 2; ++bound) {
    const bool given = take_operator(":") && !is_operator(":") && !is_operator("]");
    add(*made, given ? expression() : nullptr);
  }
  expect_operator("]");
  return made;
}

void JinjaExpressionParser::arguments(JinjaNode& call) {
  expect_operator("(");
  bool keyword = false, list = false, dictionary = false;
  while (!is_operator(")")) {
    if (dictionary) fail_here("nothing may follow **arguments");
    if (is_operator("*") || is_operator("**")) {
      JinjaNodePtr made = node(Node::kUnpack, token().text);
      if (list && made->text == "*") fail_here("there may be one *arguments");
      (made->text == "*" ? list : dictionary) = true;
      advance();
      add(*made, expression());
      add(call, std::move(made));
      if (!take_operator(",")) break;
      continue;
    }
    const JinjaToken& next = token(1);
    if (token().kind == Token::kName && next.kind == Token::kOperator && next.text == "=") {
      JinjaNodePtr made = node(Node::kKeyword, token().text);
      for (const auto& other : call.children)
        if (other && other->kind == Node::kKeyword && other->text == made->text)
          fail_here(fmt::format("argument \"{}\" is given twice", printable(made->text)));
      advance();
      advance();
      add(*made, expression());
      add(call, std::move(made));
      keyword = true;
    } else {
      if (list) fail_here("an argument without its name follows *arguments");
      if (keyword) fail_here("an argument without its name follows one with a name");
      add(call, expression());
    }
    if (!take_operator(",")) break;
  }
  expect_operator(")");
}

JinjaNodePtr JinjaExpressionParser::target(bool attribute) {
  const auto one = [&]() -> JinjaNodePtr {
    const std::string name = any_name();
    if (attribute && take_operator(".")) {
      JinjaNodePtr made = node(Node::kSetAttribute, any_name());
      made->name = tree_.name(name);
      made->value = text_literal(Node::kLiteral, made->text)->value;
      return made;
    }
    JinjaNodePtr made = node(Node::kName, name);
    made->name = tree_.name(name);
    return made;
  };
  const bool bracket = take_operator("(");
  JinjaNodePtr made = one();
  if (is_operator(",")) {
    JinjaNodePtr several = node(Node::kTuple);
    add(*several, std::move(made));
    while (take_operator(",") && token().kind == Token::kName && !is_name("in"))
      add(*several, one());
    made = std::move(several);
  }
  if (bracket) expect_operator(")");
  return made;
}

JinjaNodePtr JinjaExpressionParser::parameter() {
  const std::string name = any_name();
  JinjaNodePtr made = node(take_operator("=") ? Node::kKeyword : Node::kName, name);
  made->name = tree_.name(name);
  if (made->kind == Node::kKeyword) add(*made, expression());
  return made;
}

}  // namespace falconer
