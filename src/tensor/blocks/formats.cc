#include <algorithm>

#include "base/error.h"
#include "tensor/blocks/bitsandbytes.h"
#include "tensor/blocks/grids.h"
#include "tensor/blocks/k.h"
#include "tensor/blocks/simple.h"
#include "tensor/blocks/tables.h"
#include "tensor/blocks/ternary.h"

namespace falconer {
namespace {

/// In the order of Dtype.
constexpr const BlockFormat* kBlockFormats[] = {
    &kFormatQ8_0,    &kFormatQ4_0,  &kFormatQ4_1,  &kFormatQ5_0,    &kFormatQ5_1,   &kFormatQ2_K,
    &kFormatQ3_K,    &kFormatQ4_K,  &kFormatQ5_K,  &kFormatQ6_K,    &kFormatIQ4_NL, &kFormatIQ4_XS,
    &kFormatMXFP4,   &kFormatNVFP4, &kFormatNF4,   &kFormatFP4,     &kFormatInt8,   &kFormatTQ1_0,
    &kFormatTQ2_0,   &kFormatIQ1_S, &kFormatIQ1_M, &kFormatIQ2_XXS, &kFormatIQ2_XS, &kFormatIQ2_S,
    &kFormatIQ3_XXS, &kFormatIQ3_S,
};
static_assert(std::size(kBlockFormats) == kDtypeCount - static_cast<size_t>(Dtype::kQ8_0));

template <class Fits>
const BlockFormat* first_format(Fits fits) {
  const auto found = std::find_if(std::begin(kBlockFormats), std::end(kBlockFormats),
                                  [&](const BlockFormat* format) { return fits(*format); });
  return found == std::end(kBlockFormats) ? nullptr : *found;
}

}  // namespace

const BlockFormat& block_format(Dtype dtype) {
  FALCONER_CHECK(is_blocks(dtype));
  return *kBlockFormats[static_cast<size_t>(dtype) - static_cast<size_t>(Dtype::kQ8_0)];
}

const BlockFormat* block_format_of_ggml(uint32_t number) {
  return first_format([&](const BlockFormat& format) { return format.ggml == int64_t{number}; });
}

const BlockFormat* block_format_named(std::string_view name) {
  return first_format([&](const BlockFormat& format) { return format.name() == name; });
}

std::span<const BlockFormat* const> block_formats() { return kBlockFormats; }

std::optional<Dtype> fitting_format(Dtype wanted, int64_t cols) {
  const auto instead = [&]() -> std::optional<Dtype> {
    switch (wanted) {
      case Dtype::kQ2_K:
      case Dtype::kQ3_K:
        return Dtype::kQ4_0;
      case Dtype::kQ4_K:
        return Dtype::kQ5_0;
      case Dtype::kQ5_K:
        return Dtype::kQ5_1;
      case Dtype::kQ6_K:
        return Dtype::kQ8_0;
      case Dtype::kIQ4_XS:
        return Dtype::kIQ4_NL;
      default:
        return {};
    }
  };
  if (cols % block_of(wanted) == 0) return wanted;
  const std::optional<Dtype> other = instead();
  return other && cols % block_of(*other) == 0 ? other : std::nullopt;
}

std::vector<std::string> written_formats() {
  std::vector<std::string> names;
  for (const BlockFormat* format : kBlockFormats)
    if (format->encode != nullptr) names.emplace_back(format->name());
  return names;
}

std::string_view label_of(Dtype dtype) {
  return is_blocks(dtype) ? block_format(dtype).label : name_of(dtype);
}

void fail_nothing_in_blocks(const std::string& model, std::string_view format) {
  fail(
      "{}: no matrix of its layers has rows of whole blocks of {}, and nothing would be quantised; "
      "choose another format",
      model, format);
}

}  // namespace falconer
