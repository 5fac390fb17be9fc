#include "base/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "base/one_of_many.h"
#include "base/utf8.h"

namespace falconer {

Terminal terminal() {
  Terminal found;
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) return found;
  if (size.ws_col > 0) found.columns = size.ws_col;
  if (size.ws_row > 0) found.rows = size.ws_row;
  return found;
}

namespace {

OutputLook look;

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

// Bytes of the escape sequence at text[at], "\x1b[...m"; 0: none.
size_t escape_length(std::string_view text, size_t at) {
  if (text.substr(at, 2) != "\x1b[") return 0;
  const size_t end = text.find('m', at);
  return end == std::string_view::npos ? 0 : end + 1 - at;
}

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// The longest beginning of `text` that takes no more than `columns`, in bytes.
size_t fitting(std::string_view text, size_t columns) {
  size_t at = 0, used = 0;
  while (at < text.size()) {
    if (const size_t escape = escape_length(text, at); escape > 0) {
      at += escape;
      continue;
    }
    if (begins_character(text[at]) && ++used > columns) break;
    ++at;
  }
  return at;
}

// Where the lines stand that go on with `line`.
size_t hanging(std::string_view line, size_t columns) {
  const size_t begins = std::min(line.find_first_not_of(' '), line.size());
  const size_t gap = line.find("  ", begins);
  if (gap == std::string_view::npos || gap > columns / 3) return begins + 2;
  const size_t second = line.find_first_not_of(' ', gap);
  return second == std::string_view::npos ? begins + 2 : columns_of(line.substr(0, second));
}

// What our own styles have and no model or file can know, a second number that terminals do not see:
// on_terminal() takes it out.
const std::string& style_mark() {
  static const std::string mark = [] {
    uint64_t number = 0;
    if (::getentropy(&number, sizeof number) != 0) number = static_cast<uint64_t>(::getpid());
    return fmt::format(";{}m", number);
  }();
  return mark;
}

std::string styled(std::string_view text, const char* code, bool yes) {
  if (!yes) return std::string(text);
  return fmt::format("\x1b[{}{}{}\x1b[0{}", code, style_mark(), text, style_mark());
}

// `other` is what becomes of text that is not a style of our own.
template <class Other>
std::string with_own_styles(std::string_view text, Other&& other, bool keep = true) {
  const std::string& mark = style_mark();
  std::string shown;
  size_t taken = 0;
  for (size_t at = 0; (at = text.find("\x1b[", at)) != std::string_view::npos; at += 2) {
    const size_t end = std::min(text.find_first_not_of("0123456789", at + 2), text.size());
    if (!text.substr(end).starts_with(mark)) continue;
    shown += other(text.substr(taken, at - taken));
    if (keep) shown.append(text.substr(at, end - at)).push_back('m');
    taken = end + mark.size();
  }
  return shown += other(text.substr(taken));
}

}  // namespace

OutputLook output_look() { return look; }
void set_output_look(const OutputLook& wanted) { look = wanted; }

OutputLook look_of_stdout() {
  OutputLook found{.styled = takes_colours(STDOUT_FILENO)};
  winsize size{};
  if (stdout_is_terminal())
    found.columns =
        ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  return found;
}

bool takes_colours(int descriptor) {
  if (is_set("NO_COLOR")) return false;
  const char* force = std::getenv("CLICOLOR_FORCE");
  if (force != nullptr && *force != '\0' && std::string_view(force) != "0") return true;
  const char* term = std::getenv("TERM");
  const bool terminal =
      descriptor == STDOUT_FILENO ? stdout_is_terminal() : ::isatty(descriptor) != 0;
  return terminal && term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
}

std::string bold(std::string_view text) { return styled(text, "1", look.styled); }
std::string red(std::string_view text) { return styled(text, "31", takes_colours(STDERR_FILENO)); }
std::string yellow(std::string_view text) {
  return styled(text, "33", takes_colours(STDERR_FILENO));
}

size_t columns_of(std::string_view text) {
  size_t columns = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t escape = escape_length(text, at);
    columns += escape == 0 && begins_character(text[at]);
    at += std::max<size_t>(1, escape);
  }
  return columns;
}

std::string wrapped(std::string_view text, size_t columns, std::optional<size_t> indent) {
  std::string result;
  const bool ends = text.ends_with('\n');
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    // Where little would be left beside the indent, there is none.
    size_t hang = indent ? *indent : hanging(line, columns);
    if (hang + 16 > columns) hang = 2;
    size_t room = columns;
    for (size_t fits; (fits = fitting(line, room)) < line.size();) {
      // At a space that is not one of the indent, else within the word.
      const size_t space = line.rfind(' ', fits);
      const bool at_space = space != std::string_view::npos && line.find_first_not_of(' ') < space;
      const size_t cut = at_space ? space : std::max<size_t>(1, fits);
      std::string_view part = line.substr(0, cut);
      part = part.substr(0, part.find_last_not_of(' ') + 1);
      result.append(part);
      result += '\n';
      line.remove_prefix(cut);
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      result.append(hang, ' ');
      room = columns - std::min(columns - 1, hang);
    }
    result.append(line);
    result += '\n';
  }
  if (!ends && !result.empty()) result.pop_back();
  return result;
}

std::string laid_out(std::string text) {
  if (::isatty(STDERR_FILENO) == 0) return text;
  return wrapped(text, terminal().columns);
}

std::string duration_text(double seconds) {
  const int64_t whole = std::llround(std::max(0.0, seconds));
  const int64_t h = whole / 3600, m = whole / 60 % 60, s = whole % 60;
  return h > 0 ? fmt::format("{}:{:02}:{:02}", h, m, s) : fmt::format("{}:{:02}", m, s);
}

namespace {

/// DEL, C1, and what embeds, overrides or isolates a direction of writing; C0 is below them all.
bool commands(char32_t code) {
  return code < U' ' || (code >= 0x7F && code <= 0x9F) || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}

/// `take` gets each character, and each byte that begins none (code 0, length 0).
template <class Take>
void for_each_character(std::string_view text, Take&& take) {
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at, 4);
    const Utf8Char found = valid_utf8_prefix(rest) > 0 ? decode_utf8(rest, 0) : Utf8Char{};
    const std::string_view bytes = rest.substr(0, std::max<size_t>(1, found.length));
    take(found, bytes, text.substr(at + bytes.size()));
    at += bytes.size();
  }
}

}  // namespace

std::string without_controls(std::string_view text) {
  std::string shown;
  for_each_character(text, [&](const Utf8Char& c, std::string_view bytes, std::string_view) {
    const bool safe =
        c.length == 0 ? static_cast<unsigned char>(bytes[0]) > 0x9F : !commands(c.code);
    shown += safe ? bytes : "?";
  });
  return shown;
}

std::string visible(std::string_view styled) {
  const auto as_it_is = [](std::string_view other) { return other; };
  const std::string text = with_own_styles(styled, as_it_is, false);
  std::string shown;
  for_each_character(text, [&](const Utf8Char& c, std::string_view bytes, std::string_view rest) {
    if (c.length == 0)
      shown += fmt::format("\\x{:02X}", static_cast<unsigned char>(bytes[0]));
    else if (c.code == '\n' || c.code == '\t' || (c.code == '\r' && rest.starts_with('\n')))
      shown += bytes;
    else if (c.code == '\r')
      shown += "\\r";
    else if (commands(c.code))
      shown += fmt::format("\\u{:04X}", static_cast<uint32_t>(c.code));
    else
      shown += bytes;
  });
  return shown;
}

std::string on_terminal(std::string_view text) { return with_own_styles(text, visible); }

std::string with_styles(std::string_view text) {
  return with_own_styles(text, [](std::string_view other) { return other; });
}

}  // namespace falconer
