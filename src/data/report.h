// What a dataset looks like, for people, before anything is trained on it.
#pragma once

#include <string>

#include "data/load.h"

namespace falconer {

/// Counts, lengths as a histogram where it is wanted, and warnings.
std::string report_text(const DataReport& report, const std::string& title, bool histogram = true);

/// Lines on what was read of the rows and what was not: columns of other names, columns and files that
/// nothing reads, answers that are no text. Nothing where all was read as it stands.
std::string columns_text(const DataReport& report);
/// "\"context\" (312 rows), ...".
std::string unread_text(const std::map<std::string, int64_t>& unread);

/// What is wrong with them where --strict-columns is given.
std::string strict_columns_text(const std::map<std::string, int64_t>& unread);

/// Which format the rows have and how they were rendered; nothing where that is not known.
std::string rendered_text(const RenderedAs& rendered);

/// The first row token by token, wrapped: what is learned is marked, control characters are escaped.
std::string show_first_row(const RowView& rows, const Tokenizer& tokenizer,
                           int64_t most_tokens = 400);

/// The same in one line, as much of it as fits: where what is learned begins is seen.
std::string first_row_line(const RowView& rows, const Tokenizer& tokenizer);

}  // namespace falconer
