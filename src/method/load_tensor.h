// Taking tensors out of an adapter's file by name, with the errors that every method's file has in
// common.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "checkpoint/tensor_file.h"
#include "model/params.h"

namespace falconer {

/// Error: the adapter's files have no such tensor.
const StoredTensor& required_tensor(const TensorFiles& files, const std::string& name);
/// Error: it has another shape, or no numbers that weights are stored as.
void check_tensor(const StoredTensor& tensor, const std::vector<int64_t>& shape);

/// "transformer.h.0.mlp" of "transformer.h.0.mlp.weight", and of a module what it stands in.
inline std::string module_of(const std::string& name) { return name.substr(0, name.rfind('.')); }
/// "mlp" of "transformer.h.0.mlp".
inline std::string last_name(const std::string& module) {
  return module.substr(module.rfind('.') + 1);
}

class AdapterReader {
 public:
  /// `copies`: tensors that are known to be the base's own, and are not looked at.
  explicit AdapterReader(const TensorFiles& files, std::set<std::string> copies = {})
      : files_(files), used_(std::move(copies)) {}

  /// Null where it is not there.
  const StoredTensor* find(const std::string& name) {
    const StoredTensor* found = files_.find(name);
    if (found != nullptr) used_.insert(name);
    return found;
  }
  /// Must be there with that shape and numbers of a float dtype; read as f32. A matrix of as many
  /// numbers that lies the other way round is an error, too.
  std::vector<float> read(const std::string& name, const std::vector<int64_t>& shape);
  std::vector<float> read(const StoredTensor& tensor, const std::vector<int64_t>& shape);
  /// Error where the file holds a tensor that nobody took: half of an adapter must never be used in
  /// silence.
  void finish() const;

 private:
  const TensorFiles& files_;
  std::set<std::string> used_;
};

}  // namespace falconer
