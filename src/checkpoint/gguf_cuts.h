// Ways of cutting text into pieces before BPE, which a GGUF has by name and a tokenizer.json in full.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "checkpoint/gguf.h"

namespace falconer {

/// Ways of cutting text into pieces that llama.cpp knows by name, as tokenizer.json spells them. Some take a
/// piece that is a token as it is, whatever its merges (`ignore_merges`), and put a beginning before a text where
/// the file does not say that they do not.
struct GgufCut {
  const char* name;
  const char* spelling;
  bool ignore_merges = false;
};

/// The name of what a tokenizer.json does. `otherwise`: what llama.cpp calls all tokenizers of a family, whatever they
/// do; with a warning where that is not this. Error: llama.cpp has none for it.
const char* gguf_cut_name(const nlohmann::json& tokenizer, const std::string& where,
                          const char* otherwise = nullptr);
/// What a GGUF's tokenizer does. Error: a name that is not known here.
const GgufCut& gguf_cut(const Gguf& gguf);

}  // namespace falconer
