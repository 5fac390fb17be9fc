// Writing GGUF: metadata first, then tensors, one behind the other.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/gguf.h"
#include "checkpoint/tensor_writer.h"

namespace falconer {

/// Keys and values, in order of addition. A key may be set once.
class GgufMetadata {
 public:
  void add(std::string_view key, std::string_view text);
  void add(std::string_view key, const char* text) { add(key, std::string_view(text)); }
  void add(std::string_view key, uint32_t number);
  void add(std::string_view key, float number);
  void add(std::string_view key, bool value);
  void add(std::string_view key, const std::vector<std::string>& texts);
  void add(std::string_view key, const std::vector<int32_t>& numbers);
  void add(std::string_view key, const std::vector<float>& numbers);

  uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(std::string_view key, GgufKind kind);

  uint64_t count_ = 0;
  std::string bytes_;  // as in the file
};

class GgufWriter : public TensorWriter {
 public:
  /// `specs` give rows-major shapes, as everywhere; rows in blocks are whole ones.
  GgufWriter(const std::filesystem::path& path, std::vector<TensorSpec> specs,
             const GgufMetadata& metadata);
  ~GgufWriter() override;

 private:
  void begin(size_t) override {}
  void put(const void* data, size_t size) override;
  void end(size_t index) override;
  void finish() override;

  std::unique_ptr<AtomicFile> file_;
};

}  // namespace falconer
