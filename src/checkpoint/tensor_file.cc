#include "checkpoint/tensor_file.h"

#include <fmt/ranges.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace falconer {
namespace fs = std::filesystem;

View StoredTensor::view() const {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  const int64_t cols = shape.empty() ? 1 : shape.back();
  return {const_cast<std::byte*>(bytes.data()), rows, cols, cols, dtype};
}
int64_t StoredTensor::size() const {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}
std::string StoredTensor::shape_text() const { return fmt::format("[{}]", fmt::join(shape, ", ")); }

TensorFiles TensorFiles::open_file(const fs::path& path) {
  TensorFiles made;
  auto file = std::make_shared<MappedFile>(path);
  uint64_t n = 0;
  if (file->size() < 8) fail("{}: too short", path.string());
  std::memcpy(&n, file->data(), 8);
  if (n > file->size() - 8) fail("{}: header length lies", path.string());
  const char* text = reinterpret_cast<const char*>(file->data()) + 8;
  const auto head = nlohmann::json::parse(text, text + n, nullptr, false);
  for (const auto& [name, info] : head.items()) {
    if (name == "__metadata__") continue;
    StoredTensor t{.name = name, .file = path};
    const std::string d = info["dtype"];
    t.dtype = d == "F32" ? Dtype::kF32 : d == "BF16" ? Dtype::kBF16 : d == "F16" ? Dtype::kF16 : Dtype::kI64;
    t.shape = info["shape"].get<std::vector<int64_t>>();
    t.bytes = file->bytes().subspan(8 + n + info["data_offsets"][0].get<size_t>(),
                                    static_cast<size_t>(t.size()) * size_of(t.dtype));
    made.tensors_[name] = t;
  }
  made.files_.push_back(path);
  made.owners_.push_back(file);
  return made;
}

TensorFiles TensorFiles::open_folder(const fs::path& folder) {
  return open_file(folder / "model.safetensors");
}
const StoredTensor* TensorFiles::find(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

}  // namespace falconer
