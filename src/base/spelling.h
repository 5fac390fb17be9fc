// How messages spell settings. In the sources they are flags, "give a larger --max-seq-length", as on the
// command line; who calls the library reads the names of its fields: "give a larger max_seq_length". All
// messages come through here: fail(), the log, and what is made of pieces with worded() and spelled().
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// Of the whole process; that of the library is there at the start.
enum class Spelling {
  kFields,    // lora_r, resume="auto", overwrite=true
  kKeywords,  // the same in Python: overwrite=True
  kFlags      // --lora-r, --resume auto, --overwrite
};
void set_spelling(Spelling spelling);
Spelling current_spelling();

/// What the spelling of a flag depends on.
struct FlagForm {
  std::string setting;              // "mask-prompt", of the flag "no-mask-prompt" as well
  bool is_switch = false;           // true or false
  bool says_false = false;          // as "no-mask-prompt" does
  bool is_number = false;           // stands without quotes
  std::string alone;                // what the flag means without a value
  std::vector<std::string> values;  // known ones
};
/// Who knows flags by name: the table of settings says so. Without it names alone are spelled.
void set_flag_forms(std::optional<FlagForm> (*find)(std::string_view flag));

/// `text` of the sources, or a format, with every flag in it as the process spells them. What users gave is
/// no part of `text`: it stays as it is.
std::string spelled(std::string_view text);
/// The name alone of the setting `flag`, "--lora-r" or "lora-r".
std::string spelled_name(std::string_view flag);

std::string worded_text(fmt::string_view format, fmt::format_args args);
/// fmt::format() with a format that is spelled.
template <class... Args>
std::string worded(fmt::format_string<Args...> format, Args&&... args) {
  return worded_text(format, fmt::make_format_args(args...));
}

}  // namespace falconer
