// Writing what torch.load reads: a zip file with a pickle of named tensors, and their bytes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/tensor_writer.h"
#include "checkpoint/zip_writer.h"

namespace falconer {

/// A dict of tensors, in the order of `specs`, each with a storage of its own. The pickle uses only
/// the names that torch.load(weights_only=True) knows, and entries lie where mmap=True can use them.
class TorchZipWriter : public TensorWriter {
 public:
  TorchZipWriter(const std::filesystem::path& path, std::vector<TensorSpec> specs);

 private:
  void begin(size_t index) override;
  void put(const void* data, size_t size) override { zip_.write(data, size); }
  void end(size_t) override { zip_.end(); }
  void finish() override;

  std::string folder_;  // inside of the zip
  ZipWriter zip_;
};

}  // namespace falconer
