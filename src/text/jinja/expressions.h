// Parsing the expressions of a chat template.
#pragma once

#include <initializer_list>

#include "text/jinja/lexer.h"
#include "text/jinja/parser.h"

namespace falconer {

using JinjaNodePtr = std::unique_ptr<JinjaNode>;

class JinjaExpressionParser {
 public:
  JinjaExpressionParser(std::vector<JinjaToken> tokens, JinjaTree& tree)
      : tree_(tree), tokens_(std::move(tokens)) {}

 protected:
  /// Values between commas are a tuple. `conditional`: "a if b else c" is one.
  JinjaNodePtr tuple(bool conditional = true);
  JinjaNodePtr expression(bool conditional = true);
  /// A name, names between commas, or (where `attribute`) ns.name.
  JinjaNodePtr target(bool attribute);
  JinjaNodePtr filters(JinjaNodePtr input, bool only_filters);
  /// A filter of a block, without the "|" before it.
  JinjaNodePtr first_filter() { return filter(nullptr); }
  JinjaNodePtr parameter();

  const JinjaToken& token(size_t further = 0) const {
    return tokens_[std::min(at_ + further, tokens_.size() - 1)];
  }
  void advance() { at_ += at_ + 1 < tokens_.size(); }
  bool is_operator(std::string_view text) const {
    return token().kind == JinjaToken::Kind::kOperator && token().text == text;
  }
  bool is_name(std::string_view text) const {
    return token().kind == JinjaToken::Kind::kName && token().text == text;
  }
  bool take_operator(std::string_view text);
  bool take_name(std::string_view text);
  void expect_operator(std::string_view text);
  void expect_name(std::string_view text);
  std::string any_name();
  std::string found() const;
  [[noreturn]] void fail_here(const std::string& what) const;

  JinjaNodePtr node(JinjaNode::Kind kind, std::string text = {}) const;
  JinjaNodePtr text_literal(JinjaNode::Kind kind, std::string text);
  /// Adds a child, and refuses trees that are too deep to be walked.
  void add(JinjaNode& parent, JinjaNodePtr child) const;

  JinjaTree& tree_;

 private:
  JinjaNodePtr or_expression();
  JinjaNodePtr and_expression();
  JinjaNodePtr not_expression();
  JinjaNodePtr comparison();
  JinjaNodePtr sum();
  JinjaNodePtr concatenation();
  JinjaNodePtr product();
  JinjaNodePtr power();
  JinjaNodePtr unary(bool with_filters);
  JinjaNodePtr primary();
  JinjaNodePtr named();
  JinjaNodePtr list();
  JinjaNodePtr dict();
  JinjaNodePtr number(bool real);
  JinjaNodePtr postfix(JinjaNodePtr object);
  JinjaNodePtr attribute(JinjaNodePtr object);
  JinjaNodePtr subscript(JinjaNodePtr object);
  JinjaNodePtr slice(JinjaNodePtr object, JinjaNodePtr start);
  JinjaNodePtr test(JinjaNodePtr input);
  JinjaNodePtr filter(JinjaNodePtr input);
  void arguments(JinjaNode& call);
  bool ends_tuple() const;

  std::vector<JinjaToken> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace falconer
