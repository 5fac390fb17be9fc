// {"messages": [{"role", "content", "tool_calls"?}], "tools"?}: OpenAI's rows.
#pragma once

#include "data/formats.h"

namespace falconer {

/// "content" is a string, or a list of {"type": "text", "text"}, or null beside tool calls. What else
/// a message holds is handed to the chat template, "weight", "train" and "loss" apart (learn_field). The
/// list may be JSON text. "system" or "system_prompt" beside it is the first message.
ParsedRow parse_messages(const RowObject& object, RowContext& context);

/// One message of such a row, whose list is under `key`.
Message parse_message(const RowObject& object, const char* key, RowContext& context);
/// A list of them under `key`, or JSON text of one. Error: neither, or an empty one.
Conversation parse_message_list(const RowObject& object, const char* key, RowContext& context);
/// Puts what "system" or "system_prompt" of the row say before the messages. Error: these say so too, or both are
/// there.
void take_system(const RowObject& object, Conversation& conversation);

}  // namespace falconer
