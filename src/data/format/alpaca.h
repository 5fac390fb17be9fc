// {"instruction", "input"?, "output", "system"?, "history"?}: Alpaca's rows.
#pragma once

#include "data/formats.h"

namespace falconer {

/// "history" is a list of [question, answer] that came before.
ParsedRow parse_alpaca(const RowObject& object, RowContext& context);

}  // namespace falconer
