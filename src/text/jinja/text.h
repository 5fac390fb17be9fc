// How a value of a chat template is written: as text, as Python shows it, and as JSON.
#pragma once

#include "text/jinja/value.h"

namespace falconer {

MarkedText jinja_marked(const JinjaString& string);
/// str(value): what {{ value }} writes. Undefined is nothing.
MarkedText jinja_text(const JinjaValue& value, JinjaHeap& heap);

/// repr(value), or ascii(value).
MarkedText jinja_repr(const JinjaValue& value, bool ascii, JinjaHeap& heap);
/// Whether repr() writes the character as it is.
bool is_jinja_printable(char32_t code);
bool jinja_holds_data(const JinjaString& string);

struct JinjaJsonStyle {
  std::string indent;  // of one level; unused without `lines`
  bool lines = false;  // an item a line
  std::string between = ", ", behind_key = ": ";
  bool ascii = false, sort_keys = false;
};
/// json.dumps(value). Data wherever a part of `value` is. Error: what has no JSON.
MarkedText jinja_json(const JinjaValue& value, const JinjaJsonStyle& style, JinjaHeap& heap);

}  // namespace falconer
