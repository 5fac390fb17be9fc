// A chat template cut into tokens, with the white space taken away that Jinja takes away where
// trim_blocks and lstrip_blocks are set, as transformers sets them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

struct JinjaToken {
  enum class Kind : uint8_t {
    kText,         // outside of {{ }} and {% %}
    kOutputBegin,  // {{
    kOutputEnd,
    kBlockBegin,  // {%
    kBlockEnd,
    kName,
    kString,  // `text` is without quotes and escapes
    kInteger,
    kFloat,
    kOperator,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;
  int line = 0;
};

/// Ends with a token kEnd. Error: naming the line.
std::vector<JinjaToken> jinja_tokens(std::string_view source);

}  // namespace falconer
