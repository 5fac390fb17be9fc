#include "base/spelling.h"

#include <algorithm>
#include <atomic>

#include "base/number.h"

namespace falconer {
namespace {

std::atomic<Spelling> chosen = Spelling::kFields;
std::atomic<std::optional<FlagForm> (*)(std::string_view)> find_form = nullptr;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_of_name(char c) { return is_lower(c) || (c >= '0' && c <= '9') || c == '-'; }
bool is_of_word(char c) {
  return is_of_name(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == ':' || c == '_' || c == '%';
}

/// "max-seq-length", where `text` begins with that flag; or nothing.
std::string_view flag_at(std::string_view text) {
  if (text.size() < 3 || !text.starts_with("--") || !is_lower(text[2])) return {};
  size_t end = 3;
  while (end < text.size() && is_of_name(text[end])) ++end;
  while (text[end - 1] == '-') --end;
  return text.substr(2, end - 2);
}

/// A word, or the place of an argument, that `text` begins with.
std::string_view word_at(std::string_view text) {
  if (text.starts_with("{")) return text.substr(0, text.find('}') + 1);
  size_t end = 0;
  while (end < text.size() && is_of_word(text[end])) ++end;
  while (end > 0 && (text[end - 1] == '.' || text[end - 1] == ':')) --end;
  return text.substr(0, end);
}

/// What of `rest`, behind the flag, is its value; empty: it stands without one.
std::string_view value_in(std::string_view rest, const FlagForm& form) {
  if (form.is_switch || !rest.starts_with(" ")) return {};
  const std::string_view word = word_at(rest.substr(1));
  if (word.empty() || word.starts_with("{")) return word;
  const auto shouted = [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; };
  const std::string_view known = word.substr(0, word.find(':'));  // "cuda:1"
  const bool is_value = (form.is_number && real_of_text(std::string(word))) ||
                        std::ranges::count(form.values, known) > 0 ||
                        std::ranges::all_of(word, shouted);  // FILE
  return is_value ? word : std::string_view();
}

/// Whether what follows says something about the setting, and does not ask for it.
bool is_subject(std::string_view rest) {
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{" is ", " was ", " has ", " names ", " goes "},
      [&](std::string_view verb) { return rest.starts_with(verb); });
}

std::string with_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::optional<FlagForm> form_of(std::string_view flag) {
  const auto find = find_form.load();
  return find != nullptr ? find(flag) : std::nullopt;
}

/// The flag that `text` begins with, and what belongs to it, as `spelling` has it; `used` are its characters.
std::string field_of(std::string_view text, std::string_view flag, Spelling spelling,
                     size_t& used) {
  used = 2 + flag.size();
  const std::optional<FlagForm> form = form_of(flag);
  if (!form) return with_underscores(std::string(flag));
  const std::string name = with_underscores(form->setting);
  const std::string_view rest = text.substr(used);
  if (const std::string_view value = value_in(rest, *form); !value.empty()) {
    used += 1 + value.size();
    return name + (form->is_number ? "=" : "=\"") + std::string(value) +
           (form->is_number ? "" : "\"");
  }
  if (is_subject(rest) && !form->says_false) return name;
  if (form->is_switch) {
    const bool python = spelling == Spelling::kKeywords;
    return name +
           (form->says_false ? (python ? "=False" : "=false") : (python ? "=True" : "=true"));
  }
  return form->alone.empty() ? name : name + "=\"" + form->alone + "\"";
}

}  // namespace

void set_spelling(Spelling spelling) { chosen = spelling; }
Spelling current_spelling() { return chosen; }
void set_flag_forms(std::optional<FlagForm> (*find)(std::string_view flag)) { find_form = find; }

std::string spelled(std::string_view text) {
  const Spelling spelling = chosen;
  std::string made;
  for (size_t at = 0; at < text.size();) {
    const bool begins = at == 0 || !(is_of_word(text[at - 1]) || text[at - 1] == '/');
    const std::string_view flag =
        begins && spelling != Spelling::kFlags ? flag_at(text.substr(at)) : std::string_view();
    size_t used = 1;
    made +=
        flag.empty() ? std::string(1, text[at]) : field_of(text.substr(at), flag, spelling, used);
    at += used;
  }
  return made;
}

std::string spelled_name(std::string_view flag) {
  if (flag.starts_with("--")) flag.remove_prefix(2);
  if (chosen == Spelling::kFlags) return "--" + std::string(flag);
  const std::optional<FlagForm> form = form_of(flag);
  return with_underscores(form ? form->setting : std::string(flag));
}

std::string worded_text(fmt::string_view format, fmt::format_args args) {
  const std::string_view text(format.data(), format.size());
  // Nearly all of the log has none.
  if (text.find("--") == std::string_view::npos) return fmt::vformat(format, args);
  return fmt::vformat(spelled(text), args);
}

}  // namespace falconer
