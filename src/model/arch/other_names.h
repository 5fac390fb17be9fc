// The names that a Falcon model's tensors have in files that are not Hugging Face's.
#pragma once

#include <map>
#include <string>

#include "model/arch/architecture.h"

namespace falconer {

struct OtherNames {
  ModuleNames (*names)(const ModelConfig& config);
  bool parts = false;  // rows of the fused matrix: all queries, all keys, all values
};

/// LitGPT's since December 2024: "attn.qkv".
const OtherNames& litgpt_names();
/// Those before, Lit-Parrot's among them: "attn.attn", rows as ours.
const OtherNames& lit_parrot_names();
/// llama.cpp's: "blk.0.attn_qkv".
const OtherNames& gguf_names();

/// Our name -> theirs, of every tensor that a model of this shape may have, biases and a head of its
/// own included.
std::map<std::string, std::string> names_elsewhere(const ModelConfig& config,
                                                   const OtherNames& names);

}  // namespace falconer
