// {"messages": [{"role", "content", "tool_calls"?}], "tools"?}: OpenAI's rows.
#pragma once

#include "data/formats.h"

namespace falconer {

/// "content" is a string, or a list of {"type": "text", "text"}, or null beside tool calls. What else
/// a message holds is handed to the chat template.
ParsedRow parse_messages(const RowObject& object, int64_t vocab);

/// One message of such a row.
Message parse_message(const RowObject& object);
/// A list of them. Error: no list, or an empty one.
Conversation parse_message_list(const RowObject& list, const char* key);

}  // namespace falconer
