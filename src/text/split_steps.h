// Steps of a pre-tokenizer that cut at matches: of a character class, a string or an expression.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "text/pre_tokenizer.h"

namespace falconer {

/// Digits, Punctuation, Split or CharDelimiterSplit by its "type"; null for another type. With `bytes`, the pieces are
/// bytes that a ByteLevel step has already respelled, and the step matches against that spelling.
std::unique_ptr<const PreTokenStep> make_split_step(const nlohmann::json& json, bool bytes);

/// Cuts every three ASCII digits that stand together, from the left, out of `piece`.
void cut_three_digits(std::string_view piece, TextPieces& out);

}  // namespace falconer
