// What operators and brackets of a chat template mean: Python's rules, which Jinja keeps.
#pragma once

#include <string>

#include "text/jinja/value.h"

namespace falconer {

/// "string", "list", ...: for messages.
std::string jinja_kind(const JinjaValue& value);
bool jinja_true(const JinjaValue& value);
bool jinja_equal(const JinjaValue& a, const JinjaValue& b, JinjaHeap& heap);
/// Below 0, 0 or above 0. Error: values that have no order.
int jinja_compare(const JinjaValue& a, const JinjaValue& b, JinjaHeap& heap);
/// a in b. Error: b holds nothing.
/// Counts what looking for `part` in `text` may cost.
void jinja_pass_search(std::string_view text, std::string_view part, JinjaHeap& heap);
bool jinja_contains(const JinjaValue& holder, const JinjaValue& item, JinjaHeap& heap);

/// `op`: + - * / // % **. Error: not defined for these values, or the result is no 64-bit integer.
JinjaValue jinja_arithmetic(std::string_view op, const JinjaValue& a, const JinjaValue& b,
                            JinjaHeap& heap);
JinjaValue jinja_negative(const JinjaValue& value);

/// value[key]; undefined where it is not there. Error: `value` is undefined itself.
JinjaValue jinja_item(const JinjaValue& value, const JinjaValue& key, JinjaHeap& heap);
/// value[start:stop:step]; a bound that is none is left out.
JinjaValue jinja_slice(const JinjaValue& value, const JinjaValue& start, const JinjaValue& stop,
                       const JinjaValue& step, JinjaHeap& heap);

/// What a loop goes over: items of a list, keys of a dictionary, characters of a string. Error:
/// another kind.
std::vector<JinjaValue> jinja_items(const JinjaValue& value, JinjaHeap& heap);
/// Items of lists, entries of dictionaries, characters of strings. Error: another kind.
int64_t jinja_length(const JinjaValue& value, JinjaHeap& heap);

}  // namespace falconer
