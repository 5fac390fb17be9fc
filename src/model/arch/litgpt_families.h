// LitGPT's names of the families that it has.
#pragma once

namespace falconer {

/// What LitGPT's names of a family begin with.
struct LitFamily {
  const char *family, *begins, *name;
};
inline constexpr LitFamily kLitFamilies[] = {
    {"gpt_neox", "pythia", "pythia-like"},      {"llama", "Llama", "Llama-like"},
    {"mistral", "Mistral", "Mistral-like"},     {"qwen2", "Qwen2", "Qwen2.5-like"},
    {"qwen3", "Qwen3", "Qwen3-like"},           {"phi3", "Phi-", "Phi-3-like"},
    {"gemma", "Gemma", "Gemma-like"},           {"gemma2", "Gemma-2", "Gemma-2-like"},
    {"gemma3_text", "Gemma-3", "Gemma-3-like"}, {"olmo2", "OLMo-2", "OLMo-2-like"},
    {"stablelm", "stablelm", "stablelm-like"}};

}  // namespace falconer
