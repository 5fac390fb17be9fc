// Messages of the public interface, and of the data formats, as each other.
#pragma once

#include "data/message_keys.h"
#include "falconer/use.h"
#include "text/conversation.h"

namespace falconer {

/// Error: "more" or the tools are no JSON.
Conversation conversation_of(const Chat& chat);

/// See data/message_keys.h; what the model is given is compared.
ExtraKeys extra_keys(const Chat& chat, const std::set<std::string>& read, const Model& model,
                     bool raw);

/// The first `count` messages.
Chat chat_of(const Conversation& conversation, size_t count);

}  // namespace falconer
