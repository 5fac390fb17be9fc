// Characters as Python classifies them.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <utility>

namespace falconer {

inline utf8proc_category_t category_of(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}
inline bool is_upper_letter(char32_t code) { return category_of(code) == UTF8PROC_CATEGORY_LU; }
inline bool is_lower_letter(char32_t code) {
  return category_of(code) == UTF8PROC_CATEGORY_LL || code == 0xAA || code == 0xBA;
}
inline bool is_title_letter(char32_t code) { return category_of(code) == UTF8PROC_CATEGORY_LT; }
inline bool is_decimal(char32_t code) { return category_of(code) == UTF8PROC_CATEGORY_ND; }
/// Digits that are no decimals: superscripts, subscripts, and those in circles and brackets.
inline bool is_digit_code(char32_t code) {
  constexpr std::pair<char32_t, char32_t> kOthers[] = {
      {0xB2, 0xB3},     {0xB9, 0xB9},     {0x2070, 0x2070}, {0x2074, 0x2079}, {0x2080, 0x2089},
      {0x2460, 0x2468}, {0x2474, 0x247C}, {0x2488, 0x2490}, {0x24EA, 0x24EA}, {0x24F5, 0x24FD},
      {0x24FF, 0x24FF}, {0x2776, 0x277E}, {0x2780, 0x2788}, {0x278A, 0x2792}};
  return is_decimal(code) || std::any_of(std::begin(kOthers), std::end(kOthers), [&](auto range) {
           return code >= range.first && code <= range.second;
         });
}

}  // namespace falconer
