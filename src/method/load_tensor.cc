#include "method/load_tensor.h"

#include "base/error.h"
#include "base/joined.h"

namespace falconer {

std::vector<float> AdapterReader::read(const std::string& name, const std::vector<int64_t>& shape) {
  const StoredTensor& found = required_tensor(files_, name);
  used_.insert(name);
  return read(found, shape);
}

const StoredTensor& required_tensor(const TensorFiles& files, const std::string& name) {
  const StoredTensor* found = files.find(name);
  if (found == nullptr)
    fail("{}: the tensor {} is missing; is this adapter for another model or method?",
         files.files().front().string(), name);
  return *found;
}

void check_tensor(const StoredTensor& tensor, const std::vector<int64_t>& shape) {
  if (tensor.shape != shape)
    fail("{}: {} is {}, expected [{}]; is this adapter for another model?", tensor.file.string(),
         tensor.name, tensor.shape_text(), joined(shape, ", "));
  tensor.check_float();
}

std::vector<float> AdapterReader::read(const StoredTensor& tensor,
                                       const std::vector<int64_t>& shape) {
  check_tensor(tensor, shape);
  const int64_t count = tensor.size();
  std::vector<float> values(static_cast<size_t>(count));
  const View from{const_cast<std::byte*>(tensor.bytes.data()), 1, count, count, tensor.dtype};
  copy_converted(from, {values.data(), 1, count, count, Dtype::kF32});
  return values;
}

void AdapterReader::finish() const {
  for (const auto& [name, tensor] : files_.tensors())
    if (!used_.contains(name))
      fail(
          "{}: holds the tensor {}, for which this model and method have no place, and nothing of "
          "an adapter is ignored; is it for another model? What PEFT alone can use it can merge",
          tensor.file.string(), name);
}

}  // namespace falconer
