// {"conversations": [{"from", "value"}], "system"?, "tools"?}: ShareGPT's rows.
#pragma once

#include "data/formats.h"

namespace falconer {

/// "from" is human, gpt, system, function_call (said by the model) or observation (a tool's answer).
ParsedRow parse_sharegpt(const RowObject& object, RowContext& context);

}  // namespace falconer
