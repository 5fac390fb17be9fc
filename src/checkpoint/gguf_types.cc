#include "checkpoint/gguf_types.h"

#include "base/error.h"
#include "tensor/blocks/format.h"

namespace falconer {
namespace {

constexpr GgufType of_dtype(uint32_t number, const char* name, Dtype dtype) {
  return {number, name, block_of(dtype), traits_of(dtype).bytes, dtype};
}

/// What is no format of blocks here: those have their numbers themselves.
constexpr GgufType kOtherTypes[] = {
    of_dtype(0, "F32", Dtype::kF32),
    of_dtype(1, "F16", Dtype::kF16),
    of_dtype(30, "BF16", Dtype::kBF16),
    of_dtype(28, "F64", Dtype::kF64),
    {9, "Q8_1", 32, 36},
    {15, "Q8_K", 256, 292},
    {24, "I8", 1, 1},
    {25, "I16", 1, 2},
    {26, "I32", 1, 4},
    {27, "I64", 1, 8},
    {41, "Q1_0", 128, 18},
};

// ggml's own numbers are all below it; ik_llama.cpp, which shares the format, counts from it.
constexpr uint32_t kFirstOfIkLlama = 97, kEndOfIkLlama = 400;

}  // namespace

std::optional<GgufType> gguf_type(uint32_t number) {
  for (const GgufType& type : kOtherTypes)
    if (type.number == number) return type;
  if (const BlockFormat* format = block_format_of_ggml(number))
    return of_dtype(number, format->label, format->dtype);
  return {};
}

uint32_t gguf_number(Dtype dtype) {
  if (is_blocks(dtype)) {
    const int number = block_format(dtype).ggml;
    FALCONER_CHECK(number >= 0);
    return static_cast<uint32_t>(number);
  }
  for (const GgufType& type : kOtherTypes)
    if (type.dtype == dtype) return type.number;
  FALCONER_CHECK(!"a dtype that no GGUF is written with");
  return 0;
}

std::string unknown_gguf_type(uint32_t number) {
  if (number >= kFirstOfIkLlama && number < kEndOfIkLlama)
    return "is one of ik_llama.cpp's own and known to nobody else; quantise the model with "
           "llama.cpp's types";
  return "is not known";
}

}  // namespace falconer
