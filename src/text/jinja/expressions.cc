#include "text/jinja/expressions.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "text/jinja/library.h"

namespace falconer {
namespace {

using Node = JinjaNode::Kind;
using Token = JinjaToken::Kind;

constexpr int kDeepest = 200;  // popular templates are some 20 deep

}  // namespace

int32_t JinjaTree::name(const std::string& text) {
  return names.try_emplace(text, static_cast<int32_t>(names.size())).first->second;
}

std::string JinjaExpressionParser::found() const {
  switch (token().kind) {
    case Token::kEnd:
      return "the end of the template";
    case Token::kText:
      return "text";
    case Token::kBlockEnd:
      return "\"%}\"";
    case Token::kOutputEnd:
      return "\"}}\"";
    default:
      return fmt::format("\"{}\"", printable(token().text));
  }
}

void JinjaExpressionParser::fail_here(const std::string& what) const {
  fail("line {}: {}", token().line, what);
}

bool JinjaExpressionParser::take_operator(std::string_view text) {
  if (!is_operator(text)) return false;
  advance();
  return true;
}
bool JinjaExpressionParser::take_name(std::string_view text) {
  if (!is_name(text)) return false;
  advance();
  return true;
}
void JinjaExpressionParser::expect_operator(std::string_view text) {
  if (!take_operator(text)) fail_here(fmt::format("expected \"{}\", found {}", text, found()));
}
void JinjaExpressionParser::expect_name(std::string_view text) {
  if (!take_name(text)) fail_here(fmt::format("expected \"{}\", found {}", text, found()));
}
std::string JinjaExpressionParser::any_name() {
  if (token().kind != Token::kName) fail_here("expected a name, found " + found());
  std::string name = token().text;
  advance();
  return name;
}

JinjaNodePtr JinjaExpressionParser::node(Node kind, std::string text) const {
  auto made = std::make_unique<JinjaNode>();
  made->kind = kind;
  made->line = token().line;
  made->text = std::move(text);
  return made;
}

JinjaNodePtr JinjaExpressionParser::text_literal(Node kind, std::string text) {
  JinjaNodePtr made = node(kind);
  JinjaString& string = tree_.literals.emplace_back();
  string.bytes = tree_.strings.emplace_back(std::move(text));
  if (!string.bytes.empty()) string.parts.push_back({string.bytes.size(), false});
  made->value = JinjaValue::of(&string);
  return made;
}

void JinjaExpressionParser::add(JinjaNode& parent, JinjaNodePtr child) const {
  if (child) {
    parent.depth = std::max(parent.depth, child->depth + 1);
    if (parent.depth > kDeepest) fail_here("it is nested too deeply");
  }
  parent.children.push_back(std::move(child));
}

bool JinjaExpressionParser::ends_tuple() const {
  return token().kind == Token::kBlockEnd || token().kind == Token::kOutputEnd ||
         token().kind == Token::kEnd || is_operator(")") || is_name("recursive");
}

JinjaNodePtr JinjaExpressionParser::tuple(bool conditional) {
  if (ends_tuple()) fail_here("expected an expression, found " + found());
  JinjaNodePtr first = expression(conditional);
  if (!is_operator(",")) return first;
  JinjaNodePtr made = node(Node::kTuple);
  add(*made, std::move(first));
  while (take_operator(",") && !ends_tuple()) add(*made, expression(conditional));
  return made;
}

JinjaNodePtr JinjaExpressionParser::expression(bool conditional) {
  if (++depth_ > kDeepest) fail_here("it is nested too deeply");
  JinjaNodePtr value = or_expression();
  while (conditional && is_name("if")) {
    JinjaNodePtr made = node(Node::kConditional);
    advance();
    add(*made, or_expression());
    add(*made, std::move(value));
    add(*made, take_name("else") ? expression() : nullptr);
    value = std::move(made);
  }
  --depth_;
  return value;
}

JinjaNodePtr JinjaExpressionParser::or_expression() {
  JinjaNodePtr left = and_expression();
  while (is_name("or")) {
    JinjaNodePtr made = node(Node::kOr);
    advance();
    add(*made, std::move(left));
    add(*made, and_expression());
    left = std::move(made);
  }
  return left;
}

JinjaNodePtr JinjaExpressionParser::and_expression() {
  JinjaNodePtr left = not_expression();
  while (is_name("and")) {
    JinjaNodePtr made = node(Node::kAnd);
    advance();
    add(*made, std::move(left));
    add(*made, not_expression());
    left = std::move(made);
  }
  return left;
}

JinjaNodePtr JinjaExpressionParser::not_expression() {
  if (!is_name("not")) return comparison();
  if (++depth_ > kDeepest) fail_here("it is nested too deeply");
  JinjaNodePtr made = node(Node::kNot);
  advance();
  add(*made, not_expression());
  --depth_;
  return made;
}

JinjaNodePtr JinjaExpressionParser::comparison() {
  JinjaNodePtr left = sum();
  JinjaNodePtr made;
  for (;;) {
    std::string op;
    for (const std::string_view one : {"==", "!=", "<=", ">=", "<", ">"})
      if (is_operator(one)) op = one;
    if (is_name("in")) op = "in";
    if (is_name("not") && token(1).kind == Token::kName && token(1).text == "in") op = "not in";
    if (op.empty()) return made ? std::move(made) : std::move(left);
    JinjaNodePtr one = node(Node::kComparison, op);
    advance();
    if (op == "not in") advance();
    add(*one, sum());
    if (!made) {
      made = node(Node::kCompare);
      add(*made, std::move(left));
    }
    add(*made, std::move(one));
  }
}

JinjaNodePtr JinjaExpressionParser::sum() {
  JinjaNodePtr left = concatenation();
  while (is_operator("+") || is_operator("-")) {
    JinjaNodePtr made = node(Node::kArithmetic, token().text);
    advance();
    add(*made, std::move(left));
    add(*made, concatenation());
    left = std::move(made);
  }
  return left;
}

JinjaNodePtr JinjaExpressionParser::concatenation() {
  JinjaNodePtr first = product();
  if (!is_operator("~")) return first;
  JinjaNodePtr made = node(Node::kConcatenate);
  add(*made, std::move(first));
  while (take_operator("~")) add(*made, product());
  return made;
}

JinjaNodePtr JinjaExpressionParser::product() {
  JinjaNodePtr left = power();
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    JinjaNodePtr made = node(Node::kArithmetic, token().text);
    advance();
    add(*made, std::move(left));
    add(*made, power());
    left = std::move(made);
  }
  return left;
}

JinjaNodePtr JinjaExpressionParser::power() {
  JinjaNodePtr left = unary(true);
  while (is_operator("**")) {
    JinjaNodePtr made = node(Node::kArithmetic, "**");
    advance();
    add(*made, std::move(left));
    add(*made, unary(true));
    left = std::move(made);
  }
  return left;
}

JinjaNodePtr JinjaExpressionParser::unary(bool with_filters) {
  if (++depth_ > kDeepest) fail_here("it is nested too deeply");
  JinjaNodePtr value;
  if (is_operator("-") || is_operator("+")) {
    value = node(is_operator("-") ? Node::kNegative : Node::kPositive);
    advance();
    add(*value, unary(false));
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  if (with_filters) value = filters(std::move(value), false);
  --depth_;
  return value;
}

JinjaNodePtr JinjaExpressionParser::filters(JinjaNodePtr value, bool only_filters) {
  for (;;) {
    if (take_operator("|")) {
      value = filter(std::move(value));
    } else if (!only_filters && is_name("is")) {
      value = test(std::move(value));
    } else if (!only_filters && is_operator("(")) {
      value = postfix(std::move(value));
    } else {
      return value;
    }
  }
}

JinjaNodePtr JinjaExpressionParser::filter(JinjaNodePtr input) {
  JinjaNodePtr made = node(Node::kFilter);
  made->text = any_name();
  while (take_operator(".")) made->text += "." + any_name();
  made->index = find_jinja_filter(made->text);
  if (made->index < 0) fail_here(unknown_jinja_filter(made->text));
  add(*made, std::move(input));
  if (is_operator("(")) arguments(*made);
  return made;
}

JinjaNodePtr JinjaExpressionParser::test(JinjaNodePtr input) {
  JinjaNodePtr made = node(Node::kTest);
  advance();
  const bool negated = take_name("not");
  made->text = token().kind == Token::kOperator ? found() : any_name();
  made->index = find_jinja_test(made->text);
  if (made->index < 0) fail_here(unknown_jinja_test(made->text));
  add(*made, std::move(input));
  const auto begins_argument = [&] {
    if (token().kind == Token::kName)
      return !is_name("else") && !is_name("or") && !is_name("and") && !is_name("is") &&
             !is_name("if") && !is_name("not") && !is_name("in");
    return token().kind == Token::kString || token().kind == Token::kInteger ||
           token().kind == Token::kFloat || is_operator("[") || is_operator("{");
  };
  if (is_operator("("))
    arguments(*made);
  else if (begins_argument())
    add(*made, postfix(primary()));
  if (!negated) return made;
  JinjaNodePtr not_ = node(Node::kNot);
  add(*not_, std::move(made));
  return not_;
}

}  // namespace falconer
