// What llama.cpp takes for granted of a family, and its files do not say.
#pragma once

#include <vector>

#include "model/config.h"

namespace falconer {

inline bool is_gemma(const ModelConfig& m) { return m.family.starts_with("gemma"); }

/// What q . k is multiplied by there: the root of this, and not always of the head's size.
inline int64_t gguf_score_divisor(const ModelConfig& m) {
  const bool largest = (m.family == "gemma2" && m.layers == 46) ||
                       (m.family == "gemma3_text" && m.layers == 62);  // the 27B models
  return largest ? m.width / m.heads : m.head_size;
}

/// Of every how many layers the last sees all positions; 0: there are no windows.
inline int64_t gguf_window_period(const ModelConfig& m) {
  return m.family == "gemma2" ? 2 : m.family == "gemma3_text" ? 6 : 0;
}

/// A number that was rounded to f32, as the shortest text that means the same f32: 1e-5 again and not
/// 9.99999974738e-6. Others stay as they are.
double as_written(double number);

/// What llama3's rule divides each rotary frequency by.
std::vector<float> llama3_divisors(const ModelConfig& m);

}  // namespace falconer
