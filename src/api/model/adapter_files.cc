#include "api/model/adapter_files.h"

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/safetensors_writer.h"
#include "tensor/finite.h"

namespace falconer {
namespace {

View view_of(const SavedTensor& tensor) {
  const auto n = static_cast<int64_t>(tensor.values.size());
  return {const_cast<float*>(tensor.values.data()), 1, n, n, Dtype::kF32};
}

}  // namespace

std::vector<TensorSpec> specs_of(const SavedAdapter& saved, Dtype dtype) {
  std::vector<TensorSpec> specs;
  for (const SavedTensor& tensor : saved.tensors)
    specs.push_back({tensor.name, dtype, tensor.shape});
  return specs;
}

void write_tensors(const SavedAdapter& saved, TensorWriter& writer) {
  for (const SavedTensor& tensor : saved.tensors) {
    if (const auto found = first_not_finite(view_of(tensor)))
      fail(
          "the adapter's {} holds {}; it is damaged, or its training diverged: use an earlier "
          "checkpoint of it",
          tensor.name, found->value);
    writer.write(view_of(tensor));
  }
  writer.commit();
}

void compare_with_file(const SavedAdapter& saved, Dtype dtype, const std::string& path) {
  const TensorFiles files = TensorFiles::open_file(path);
  for (const SavedTensor& tensor : saved.tensors) {
    const View values = view_of(tensor);
    const Tensor expected(1, values.cols, dtype);
    copy_converted(values, expected.view());
    const StoredTensor* found = files.find(tensor.name);
    if (found == nullptr || found->shape != tensor.shape || found->dtype != dtype ||
        std::memcmp(found->bytes.data(), expected.view().data, found->bytes.size()) != 0)
      fail("{}: {} reads back differently than it was written; the disk may be failing", path,
           tensor.name);
  }
  if (files.tensors().size() != saved.tensors.size())
    fail("{}: holds {} tensors, expected {}", path, files.tensors().size(), saved.tensors.size());
}

void write_adapter_folder(const std::filesystem::path& folder, const SavedAdapter& saved,
                          Dtype dtype) {
  write_file(folder / "adapter_config.json", saved.config_json);
  const std::filesystem::path path = folder / "adapter_model.safetensors";
  SafetensorsWriter::Metadata metadata = saved.metadata;
  if (!metadata.empty()) metadata["format"] = "pt";
  SafetensorsWriter writer(path, specs_of(saved, dtype), metadata);
  write_tensors(saved, writer);
  compare_with_file(saved, dtype, path.string());
}

}  // namespace falconer
