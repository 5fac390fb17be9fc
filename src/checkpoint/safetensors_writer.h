// Writing safetensors: one file, or a folder of shards with an index, tensor by tensor.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/view.h"

namespace falconer {

/// What will be written; the order of declaration is the order of writing.
struct TensorSpec {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
};

/// Streams tensors into safetensors with memory for one tensor at most. All specs are declared
/// first, then write() is called once for each, in that order, then commit(). The file (or files)
/// appear whole on commit, not before.
class SafetensorsWriter {
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
  ~SafetensorsWriter();

  /// The next tensor in declared order. `values` has as many elements as the spec says, of any
  /// float dtype: it is converted to the spec's, rounding to nearest even. Non-contiguous views are
  /// fine.
  void write(const View& values);
  /// Syncs, puts in place. Error where tensors are missing.
  void commit();

 private:
  struct State;
  explicit SafetensorsWriter(std::unique_ptr<State> state);
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
