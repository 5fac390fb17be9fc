// What ends an answer: the one definition for generate, chat, evaluate and the samples of a run.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/config.h"
#include "text/tokenizer.h"

namespace falconer {

/// The tokens that the model's files name as ends (generation_config.json's, or config.json's where
/// that names none; a GGUF's), the tokenizer's end-of-text token, and `of_turn`, which end a turn of
/// the prompt style. Each once. `tokenizer` may be null.
std::vector<int32_t> ends_of_answer(const ModelConfig& config, const Tokenizer* tokenizer,
                                    std::span<const int32_t> of_turn = {});

}  // namespace falconer
