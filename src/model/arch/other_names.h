// What a model's modules are called in files that are not Hugging Face's, and which rows of ours theirs hold: a
// fused matrix elsewhere may be three of ours (LitGPT's attn.qkv of a LLaMA), or two elsewhere one of ours (its
// fc_1 and fc_2 of a Phi-3).
#pragma once

#include <string>
#include <vector>

#include "checkpoint/tensor_file.h"
#include "model/arch/architecture.h"
#include "model/arch/folded.h"

namespace falconer {

enum class OtherFormat : uint8_t {
  kLitGpt,     // since December 2024: "attn.qkv", all queries, all keys, all values
  kLitParrot,  // before: "attn.attn", rows as ours. Falcon's and GPT-NeoX's models alone
  kGguf        // llama.cpp's: "blk.0.attn_qkv"
};

/// Rows of one of our modules.
struct OtherPart {
  ModuleId ours;
  std::vector<RowRange> rows;
  std::vector<FoldedRows> folded = {};  // of ours: factors that are in the numbers there
};

/// A module elsewhere: its weight and its bias are rows of ours, part behind part.
struct OtherModule {
  std::string name;
  ModuleKind kind = ModuleKind::kLinear;
  std::vector<OtherPart> parts;     // of a fused q, k and v: these three
  ValueForm form = {};              // of every weight
  std::string end = ".weight";      // behind its name, of the weight's
  std::vector<int64_t> shape = {};  // of the weight, where it is not ours

  std::string weight() const { return name + end; }
  std::string bias() const { return name + ".bias"; }
  int64_t rows() const;
};

/// In the order of ours. A tied head is one of them.
std::vector<OtherModule> modules_elsewhere(const ModelConfig& config, OtherFormat format);

/// The same the other way round: our tensors, biases and a head of its own included, from theirs.
std::vector<AssembledTensor> ours_from(const ModelConfig& config, OtherFormat format);

/// The name without the layer of what is our matrix of this role, or has a part of it.
std::string module_name_in(OtherFormat format, const ModelConfig& config, Role role);

}  // namespace falconer
