// {"prompt", "completion"}: texts as they stand.
#pragma once

#include "data/formats.h"

namespace falconer {

ParsedRow parse_prompt_completion(const RowObject& object, int64_t vocab);

}  // namespace falconer
