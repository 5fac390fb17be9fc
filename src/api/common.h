// What several commands need: a checkpoint's tokenizer, settings of the process.
#pragma once

#include <optional>
#include <string>

#include "base/log.h"
#include "data/dataset.h"
#include "model/config.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace falconer {

/// Of a model's folder or GGUF file. Nothing where it has none.
std::optional<Tokenizer> find_tokenizer(const std::string& model);
/// Error where it has none.
Tokenizer load_tokenizer(const std::string& model);

/// "quiet", "warning", "info" or "debug". Error (usage): another word.
LogLevel parse_verbosity(const std::string& level);

/// Nothing for a folder with a tokenizer alone: its vocabulary then bounds ids, and nothing bounds lengths.
std::optional<ModelConfig> find_model_config(const std::string& checkpoint);

/// Where the chat template of a folder or a GGUF file is.
TemplateFiles template_files(const std::string& model);

/// --compute: whether products with quantised matrices round activations to 8 bits. `usual`: what "auto" is. Error
/// (usage): another word.
bool in_whole_numbers(const std::string& compute, bool usual);

/// --quantize: nothing for "". Error (usage): no format that is written.
std::optional<Dtype> parse_quantise(const std::string& name);

/// --train-on and --no-mask-prompt, which is its short form for "everything". Error (usage): they
/// contradict each other.
TrainOn train_on_of(const std::string& train_on, bool mask_prompt);

}  // namespace falconer
