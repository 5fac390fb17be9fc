#include "generate/ends.h"

#include <algorithm>

namespace falconer {

std::vector<int32_t> ends_of_answer(const ModelConfig& config, const Tokenizer* tokenizer,
                                    std::span<const int32_t> of_turn) {
  std::vector<int32_t> ends = config.eos_ids;
  if (tokenizer != nullptr && tokenizer->eos_id()) ends.push_back(*tokenizer->eos_id());
  ends.insert(ends.end(), of_turn.begin(), of_turn.end());
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

}  // namespace falconer
