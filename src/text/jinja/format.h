// What Python makes of '%d' % value and '{:>8}'.format(value). What comes from data stays data.
#pragma once

#include "text/jinja/library.h"

namespace falconer {

/// format % values. Error: values that do not fit it.
JinjaValue jinja_percent(const JinjaString& format, const JinjaValue& values, JinjaHeap& heap);
/// format.format(arguments). Error: values that do not fit it.
JinjaValue jinja_format(const JinjaString& format, const JinjaArguments& arguments,
                        JinjaHeap& heap);
/// So many characters of the beginning; all where `characters` is negative.
MarkedText jinja_first_of(const MarkedText& text, int64_t characters);

}  // namespace falconer
