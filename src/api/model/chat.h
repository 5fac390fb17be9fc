// Messages of the public interface, and of the data formats, as each other.
#pragma once

#include "falconer/use.h"
#include "text/conversation.h"

namespace falconer {

/// Error: "more" or the tools are no JSON.
Conversation conversation_of(const Chat& chat);

/// The first `count` messages.
Chat chat_of(const Conversation& conversation, size_t count);

}  // namespace falconer
