// A chat template as a tree. What it uses and Falconer lacks is an error here, before anything is
// rendered.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja/value.h"

namespace falconer {

/// One node. What `text`, `name` and `children` are stands beside each kind; a child that may be
/// missing is null.
struct JinjaNode {
  enum Special { kCaller = 1, kVarargs = 2, kKwargs = 4 };
  enum class Kind : uint8_t {
    // expressions
    kLiteral,      // value
    kName,         // name, text
    kList,         // items
    kTuple,        // items
    kDict,         // key, value, key, value, ...
    kAttribute,    // object; text
    kItem,         // object, key
    kSlice,        // object, start?, stop?, step?
    kCall,         // callee, arguments
    kKeyword,      // text = value: an argument
    kUnpack,       // *values or **values, by `text`: arguments
    kFilter,       // input, arguments; text, index into the table of filters
    kTest,         // input, arguments; text, index
    kNot,          // operand
    kNegative,     // operand
    kPositive,     // operand
    kAnd,          // left, right
    kOr,           // left, right
    kArithmetic,   // left, right; text: the operator
    kConcatenate,  // parts
    kCompare,      // left, then kComparison
    kComparison,   // right; text: the operator
    kConditional,  // condition, then, otherwise?
    // statements
    kText,          // value
    kOutput,        // expression
    kBlock,         // statements
    kIf,            // condition, block, condition, block, ..., block of else
    kFor,           // target, items, condition?, body, else?; name: of "loop"; index 1: recursive
    kSet,           // target, expression
    kSetBlock,      // target, body; the filters behind "|" are kFilter around a null input
    kSetAttribute,  // as a target: text of the namespace `name`
    kMacro,         // parameters: kName, or kKeyword with a default; last the body. name, text;
                    // index: what of Special the body names
    kCallBlock,     // call, the macro that it gives as `caller`
    kFilterBlock,   // filters as those of kSetBlock, body
    kWith,          // target, expression, target, expression, ..., body
    kBreak,
    kContinue,
  };

  Kind kind = Kind::kBlock;
  int line = 0, depth = 1;
  int32_t name = -1;  // number of a name
  int index = -1;     // of a filter or test in its table
  std::string text;
  JinjaValue value;
  std::vector<std::unique_ptr<JinjaNode>> children;

  const JinjaNode* child(size_t i) const { return children[i].get(); }
};

/// A parsed template, with the strings that its literals are.
struct JinjaTree {
  std::unique_ptr<JinjaNode> root;
  std::unordered_map<std::string, int32_t> names;
  int32_t caller = -1, varargs = -1, kwargs = -1;  // names that macros have where they use them
  std::deque<std::string> strings;
  std::deque<JinjaString> literals;

  int32_t name(const std::string& text);
};

/// Error: naming the line and the construct.
JinjaTree parse_jinja(std::string_view source);

}  // namespace falconer
