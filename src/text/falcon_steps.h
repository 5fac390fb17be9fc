// Falcon's own pre-tokenizer, whose four steps make one pass here.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "text/pre_tokenizer.h"

namespace falconer {

/// One step for the sequence Punctuation (Contiguous), ByteLevel, Digits, Split "[0-9][0-9][0-9]";
/// null for any other. It gives the pieces that the four steps give one after another.
std::unique_ptr<const PreTokenStep> make_falcon_steps(const nlohmann::json& pretokenizers);

}  // namespace falconer
