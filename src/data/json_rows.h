// Rows of JSON, one a line or in an array, parsed on all cores.
#pragma once

#include <filesystem>
#include <string_view>

#include "data/row_delivery.h"
#include "data/text_window.h"

namespace falconer {

/// Whether a text that begins so is an array of rows, and no rows itself: no row begins with "[", and an
/// array of rows goes on with a row, or ends.
bool holds_array(std::string_view text);
/// Whether its first line is a conversation, a list of messages, and so a row itself.
bool begins_with_messages(std::string_view text);
/// Whether it stands in one line, as Python's json.dump writes it.
bool is_array_in_one_line(std::string_view text);

/// Both deliver rows with their line; that of an array with their number where `by_row` says so. Errors name
/// `file`: no whole array, a row that is too long, and what TextWindow's are.
void read_json_lines(const std::filesystem::path& file, TextWindow& window, const OnRawRow& row,
                     const OnBadRow& bad);
void read_json_array(const std::filesystem::path& file, TextWindow& window, bool by_row,
                     const OnRawRow& row, const OnBadRow& bad);

}  // namespace falconer
