// {"text"}: learned whole. What is longer than a row goes on in the next row.
#pragma once

#include "data/formats.h"

namespace falconer {

ParsedRow parse_text(const RowObject& object, RowContext& context);

}  // namespace falconer
