// What a dataset looks like, for people, before anything is trained on it.
#pragma once

#include <string>

#include "data/load.h"

namespace falconer {

/// Counts, lengths as a histogram, and warnings.
std::string report_text(const DataReport& report, const std::string& title);

/// Which format the rows have and how they were rendered; nothing where that is not known.
std::string rendered_text(const RenderedAs& rendered);

/// The first row token by token, wrapped: what is learned is marked, control characters are escaped.
std::string show_first_row(const RowView& rows, const Tokenizer& tokenizer,
                           int64_t most_tokens = 400);

}  // namespace falconer
