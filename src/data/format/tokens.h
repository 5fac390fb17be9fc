// {"input_ids", "labels"?}: token ids already; -100 is not learned.
#pragma once

#include "data/formats.h"

namespace falconer {

ParsedRow parse_tokens(const RowObject& object, int64_t vocab);

}  // namespace falconer
