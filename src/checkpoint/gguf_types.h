// The types of tensors in GGUF.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tensor/dtype.h"

namespace falconer {

/// One of ggml's types: `block` values take `bytes`.
struct GgufType {
  uint32_t number = 0;
  const char* name = "";
  int64_t block = 1, bytes = 0;
  std::optional<Dtype> dtype = {};  // what it is here; none: Falconer knows its size and no more
};

/// Nothing for a number that is not known.
std::optional<GgufType> gguf_type(uint32_t number);
/// Of a dtype that a GGUF can be written with.
uint32_t gguf_number(Dtype dtype);

/// Why a number may be unknown, to follow "is of type 133, which ".
std::string unknown_gguf_type(uint32_t number);

}  // namespace falconer
