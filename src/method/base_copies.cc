#include "method/base_copies.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "method/peft_config.h"
#include "tensor/buffer.h"
#include "tensor/row_bands.h"

namespace falconer {
namespace {

constexpr std::string_view kBaseLayer = ".base_layer", kTokenAdapter = ".token_adapter";

/// Whether `copy` is what rounding the base's values to its dtype gives; `longer`: it may have more rows.
bool is_copy(const StoredTensor& copy, const StoredTensor& original, bool longer) {
  std::vector<int64_t> shape = copy.shape;
  if (longer && !shape.empty()) shape[0] = std::min(shape[0], original.shape[0]);
  if (!is_float(copy.dtype) || shape != original.shape || !copy.plain()) return false;
  bool same = true;
  for_bands(original.rows(), copy.cols(), [&](int64_t row, int64_t count) {
    if (!same) return;
    const View found = copy.view().row_range(row, count);
    const Tensor expected(found.rows, found.cols, copy.dtype);
    original.copy_rows_to(row, expected.view());
    same = std::memcmp(found.data, expected.view().data, found.bytes()) == 0;
  });
  return same;
}

}  // namespace

std::string name_in_base(const std::string& name, const Weights& declared) {
  if (!name.starts_with(kPeftPrefix)) return {};
  std::string rest = name.substr(kPeftPrefix.size());
  if (const size_t at = rest.rfind(".base_layer."); at != std::string::npos)
    rest.erase(at, kBaseLayer.size());
  if (const size_t at = rest.rfind(".token_adapter.weight"); at != std::string::npos)
    rest.erase(at, kTokenAdapter.size());
  if (rest == declared.head().name + ".weight") return rest;  // also where it is the embedding
  const bool known = std::any_of(declared.params.begin(), declared.params.end(),
                                 [&](const auto& param) { return param->name == rest; });
  return known ? rest : std::string();
}

std::set<std::string> base_copies(const TensorFiles& adapter, const Weights& declared,
                                  const Method& method,
                                  const std::function<const TensorFiles*()>& base) {
  std::set<std::string> copies;
  const TensorFiles* originals = nullptr;
  for (const auto& [name, tensor] : adapter.tensors()) {
    const std::string plain = name_in_base(name, declared);
    if (plain.empty() || method.keeps(name)) continue;
    if (originals == nullptr) originals = base();
    if (originals == nullptr) return copies;
    const StoredTensor* original = originals->find(plain);
    if (original == nullptr && plain == declared.head().name + ".weight")
      original = originals->find(declared.embedding->name);
    // Rows for more tokens are the adapter's (token_rows.h).
    const bool table =
        plain == declared.embedding->name || plain == declared.head().name + ".weight";
    if (original != nullptr && is_copy(tensor, *original, table)) copies.insert(name);
  }
  if (!copies.empty())
    log_info("{}: {} of its tensors ({}) are the base's own, value by value, and are left out",
             adapter.files().front().string(), copies.size(), *copies.begin());
  return copies;
}

}  // namespace falconer
