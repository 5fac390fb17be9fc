// The tokenizer and the prompt style that a model, or an adapter on it, is used with.
#pragma once

#include <memory>

#include "falconer/use.h"
#include "text/model_texts.h"

namespace falconer {

/// Of the adapter at the local path `adapter`; of the checkpoint where that is empty. The tokenizer is `base`, the
/// checkpoint's (null: it has none), or the adapter's own. The style is ModelOptions::prompt_style; else what was
/// recorded with the adapter, or with a fully finetuned model; else the chat template of the checkpoint, or the one
/// that lies beside the adapter. Error: there is no such style.
std::shared_ptr<const ModelTexts> open_texts(const ModelOptions& options,
                                             const std::string& adapter,
                                             const std::shared_ptr<const Tokenizer>& base);

}  // namespace falconer
