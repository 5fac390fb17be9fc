// Text for people, on a terminal or off it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace falconer {

/// The size of stderr's terminal; 80 by 24 where it does not say.
struct Terminal {
  size_t columns = 80, rows = 24;
};
Terminal terminal();

/// How text for people is laid out on stdout. Where nobody sets it: as wide as it is, and plain.
struct OutputLook {
  size_t columns = static_cast<size_t>(-1);
  bool styled = false;  // bold heads
};
OutputLook output_look();
void set_output_look(const OutputLook& look);
/// The width of stdout's terminal, if it is one, and whether it takes styles.
OutputLook look_of_stdout();

/// Whether what is written to `descriptor` may have colours: a terminal that is not dumb, and no
/// NO_COLOR; CLICOLOR_FORCE decides where it is set.
bool takes_colours(int descriptor);

/// `text` in bold where output_look() has styles. All of them are written by way of on_terminal().
std::string bold(std::string_view text);
/// For stderr: `text` in red or yellow where that takes colours.
std::string red(std::string_view text);
std::string yellow(std::string_view text);

/// Columns of a UTF-8 text on a terminal: one for each character; escapes of styles take none.
size_t columns_of(std::string_view text);

/// `text` with lines of at most `columns`, broken at spaces; what follows is indented by `indent`, or
/// to where two spaces part a line's head from the rest, or as the line is and two more. A word that is
/// longer than a line is broken.
std::string wrapped(std::string_view text, size_t columns, std::optional<size_t> indent = {});

/// `text` wrapped to stderr's terminal, if it is one.
std::string laid_out(std::string text);

/// "1:02:03", "4:05"
std::string duration_text(double seconds);

/// With '?' for every control character: none of a name may move the cursor or end a line.
std::string without_controls(std::string_view text);

/// For a terminal: what could command it or turn text around is spelled, as \u001B, which is also
/// what JSON takes it for. These are control characters but tabs and ends of lines, those of C1,
/// and what overrides the direction of writing. A byte that is no UTF-8 becomes \x9B. Whole
/// characters are taken one by one, so that text may come in pieces. Styles of our own are left out.
std::string visible(std::string_view text);
/// The same, but bold(), red() and yellow() stay styles: the last thing before text is written.
std::string on_terminal(std::string_view text);
/// For what is no terminal and gets styles all the same: all else as it is.
std::string with_styles(std::string_view text);

}  // namespace falconer
