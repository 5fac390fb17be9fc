// Characters whose class depends on the version of Unicode, as `tokenizers` has them. Ids must not
// depend on which Unicode the system's utf8proc was made for.
#pragma once

namespace falconer {

/// Punctuation beyond ASCII in Unicode 8, which `tokenizers` goes by.
bool was_punctuation(char32_t code);
/// Letters and numbers from Unicode 14 to 16, where its regular expressions end.
bool is_new_letter(char32_t code);
bool is_new_number(char32_t code);
/// Characters that came after Unicode 9, which its normalizers go by: to them these have no parts and
/// combine with nothing. Some are among them that no normal form changes anyway.
bool is_newer_than_unicode_9(char32_t code);
/// Characters of \w that their category does not tell of.
bool is_more_of_words(char32_t code);

}  // namespace falconer
