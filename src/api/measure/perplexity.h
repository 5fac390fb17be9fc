// The perplexity of a text.
#pragma once

#include <string>

#include "falconer/use.h"

namespace falconer {

/// Of the text in UTF-8 at `path`. `window` and `stride` as in EvaluateOptions. Errors: it is no UTF-8, or of less than
/// two tokens; (usage) windows that are longer than the context, or a stride that would leave tokens out.
TextPerplexity perplexity_of(Model& model, const std::string& path, int64_t window, int64_t stride);

}  // namespace falconer
