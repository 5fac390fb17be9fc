// Taking tensors out of an adapter's file by name, with the errors that every method's file has in
// common.
#pragma once

#include <set>
#include <string>

#include "checkpoint/tensor_file.h"
#include "model/params.h"

namespace falconer {

class AdapterReader {
 public:
  explicit AdapterReader(const TensorFiles& files) : files_(files) {}

  /// Null where it is not there.
  const StoredTensor* find(const std::string& name) {
    const StoredTensor* found = files_.find(name);
    if (found != nullptr) used_.insert(name);
    return found;
  }
  /// Must be there with `count` numbers of a float dtype; read as f32.
  std::vector<float> read(const std::string& name, int64_t count);
  std::vector<float> read(const StoredTensor& tensor, int64_t count);
  /// Error where the file holds a tensor that nobody took: half of an adapter must never be used in
  /// silence.
  void finish() const;

 private:
  const TensorFiles& files_;
  std::set<std::string> used_;
};

}  // namespace falconer
