// Factors that a family's config.json has beside the weights, and other programs' files in them: llama.cpp's of a
// Falcon-H1 (its convert_hf_to_gguf.py, 2026-11). What reads x and gives f_made (W (f_read x) + b) is there
// (f_made W f_read) x + f_made b.
#pragma once

#include <vector>

#include "model/modules.h"

namespace falconer {

/// Rows of a module with one factor on what the module reads, and one on what these rows give.
struct FoldedRows {
  RowRange rows;
  double read = 1, made = 1;

  float of_weight() const { return static_cast<float>(read * made); }
  float of_bias() const { return static_cast<float>(made); }
};

/// All rows of a module, in their order; empty where there is nothing to fold: every factor is 1, or llama.cpp multiplies
/// by it while it computes (Gemma's embeddings, Cohere's logits).
std::vector<FoldedRows> folded_rows(const ModelConfig& config, const ModuleShape& module);

/// That of a row; null where nothing is folded.
const FoldedRows* folded_at(const std::vector<FoldedRows>& all, int64_t row);

}  // namespace falconer
