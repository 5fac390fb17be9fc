// Writing folders as transformers saves them with bitsandbytes: what checkpoint/bitsandbytes.h describes.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/safetensors_writer.h"

namespace falconer {

struct BitsandbytesOptions {
  Dtype dtype =
      Dtype::kBF16;     // that a quant_state names: what numbers become where they are unpacked
  bool nested = false;  // scales of 4 bits in 8 bits themselves (double quantisation)
  int64_t shard_bytes = kShardBytes;
};

/// Tensors of kNF4, kFP4 or kInt8 become codes, their scales apart; the others stay what they are.
class BitsandbytesWriter : public TensorWriter {
 public:
  BitsandbytesWriter(const std::filesystem::path& folder, std::vector<TensorSpec> specs,
                     const BitsandbytesOptions& options);
  ~BitsandbytesWriter() override;

  /// What lies in the files.
  const std::vector<TensorSpec>& stored() const;

 private:
  void begin(size_t index) override;
  void put(const void* data, size_t size) override;
  void end(size_t index) override;
  void finish() override;
  void put_blocks4(const std::byte* blocks, int64_t count);
  void put_blocks8(const std::byte* blocks, int64_t count);
  void end_four_bits(const TensorSpec& spec);

  BitsandbytesOptions options_;
  std::vector<TensorSpec> stored_;
  std::unique_ptr<SafetensorsWriter> files_;
  const TensorSpec* now_ = nullptr;
  int64_t blocks_ = 0;         // of it that came
  std::vector<float> scales_;  // of it
};

}  // namespace falconer
