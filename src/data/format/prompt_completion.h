// {"prompt", "completion"}: texts as they stand, or lists of messages.
#pragma once

#include "data/formats.h"

namespace falconer {

ParsedRow parse_prompt_completion(const RowObject& object, RowContext& context);

/// Whether both are lists of messages, as trl's conversational rows have them.
bool has_prompt_messages(const RowObject& object);
/// The completion's answers alone are learned.
ParsedRow parse_prompt_messages(const RowObject& object, RowContext& context);

}  // namespace falconer
