// Writing safetensors: one file, or a folder of shards with an index, tensor by tensor.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/tensor_writer.h"

namespace falconer {

/// What config.json calls a dtype of weights: "bfloat16".
constexpr const char* torch_name(Dtype dtype) {
  return dtype == Dtype::kBF16 ? "bfloat16" : dtype == Dtype::kF16 ? "float16" : "float32";
}

inline constexpr int64_t kShardBytes = 5'000'000'000;  // of a Hugging Face folder, unless told

class SafetensorsWriter : public TensorWriter {
 public:
  using Metadata = std::map<std::string, std::string>;

  /// One file at `path`.
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorSpec> specs,
                    Metadata metadata = {});
  /// In `folder`: model.safetensors, or, where the tensors are larger than `shard_bytes` together,
  /// model-00001-of-0000n.safetensors and model.safetensors.index.json, as Hugging Face writes
  /// them.
  static SafetensorsWriter sharded(const std::filesystem::path& folder,
                                   std::vector<TensorSpec> specs, int64_t shard_bytes);
  SafetensorsWriter(SafetensorsWriter&&) noexcept;
  ~SafetensorsWriter() override;

 private:
  struct State;
  explicit SafetensorsWriter(std::vector<TensorSpec> specs);
  void begin(size_t index) override;
  void put(const void* data, size_t size) override;
  void end(size_t) override {}
  void finish() override;

  std::unique_ptr<State> state_;
};

/// Everything at once: names, shapes and values.
struct NamedView {
  std::string name;
  std::vector<int64_t> shape;
  View values;
};
void write_safetensors(const std::filesystem::path& path, const std::vector<NamedView>& tensors,
                       const SafetensorsWriter::Metadata& metadata = {});

}  // namespace falconer
