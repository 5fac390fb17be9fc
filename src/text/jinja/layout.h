// How Python lays out numbers and strings in a width: for %, str.format(), center() and their like.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace falconer {

/// [[fill]align][sign][#][0][width][grouping][.precision][type]
struct JinjaSpec {
  std::string fill = " ";  // one character
  bool data = false;       // whether `fill` is
  char align = '\0';       // < > ^, or = for between the sign and the digits
  char sign = '-';         // '+' or ' ' is written before what is not negative
  bool alternate = false;  // 0x before hexadecimal digits
  char grouping = '\0';    // , or _
  int64_t width = 0, precision = -1;
  char type = '\0';
};

int64_t jinja_characters(std::string_view bytes);
/// `fill` so many times. Error: longer than a string may be.
MarkedText jinja_filling(int64_t count, std::string_view fill, bool data, JinjaHeap& heap);
/// `head` and `body` in spec.width; left where no alignment is given.
MarkedText jinja_padded(const MarkedText& head, const MarkedText& body, const JinjaSpec& spec,
                        JinjaHeap& heap);

/// spec.type: b c d o x X, for integers; a precision is the fewest digits.
MarkedText jinja_laid_out(int64_t number, const JinjaSpec& spec, JinjaHeap& heap);
/// spec.type: e E f F g G %, or none: as it is written.
MarkedText jinja_laid_out(double number, const JinjaSpec& spec, JinjaHeap& heap);
/// The character `code`, which counts as data: it may come from there. Error: there is none.
MarkedText jinja_character(int64_t code);

}  // namespace falconer
