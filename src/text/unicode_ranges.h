// Characters whose class depends on the version of Unicode, as `tokenizers` has them. Ids must not
// depend on which Unicode the system's utf8proc was made for.
#pragma once

namespace falconer {

/// Punctuation beyond ASCII in Unicode 8, which `tokenizers` goes by.
bool was_punctuation(char32_t code);
/// Letters and numbers from Unicode 14 to 16, where its regular expressions end.
bool is_new_letter(char32_t code);
bool is_new_number(char32_t code);

}  // namespace falconer
