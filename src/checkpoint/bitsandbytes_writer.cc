#include "checkpoint/bitsandbytes_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "tensor/blocks/bitsandbytes.h"
#include "tensor/dynamic_code.h"

namespace falconer {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kBlock = 64, kNested = 256;
constexpr DynamicCode kSignedDynamicCode = make_dynamic_code(true);
constexpr size_t kOffsetRoom = 24;  // characters of a number that is known when all scales are

bool is_four_bits(Dtype dtype) { return dtype == Dtype::kNF4 || dtype == Dtype::kFP4; }

/// Filled up to one length whatever `offset` is.
std::string quant_state(const TensorSpec& spec, const BitsandbytesOptions& options, float offset) {
  ordered_json state = {{"quant_type", name_of(spec.dtype)},
                        {"blocksize", kBlock},
                        {"dtype", torch_name(options.dtype)},
                        {"shape", spec.shape}};
  if (!options.nested) return state.dump();
  state["nested_blocksize"] = kNested;
  state["nested_dtype"] = "float32";
  const size_t room = state.dump().size() + std::strlen(R"(,"nested_offset":)") + kOffsetRoom;
  state["nested_offset"] = static_cast<double>(offset);
  std::string text = state.dump();
  FALCONER_CHECK(text.size() <= room);
  text.resize(room, ' ');
  return text;
}

std::vector<TensorSpec> parts_of(const TensorSpec& spec, const BitsandbytesOptions& options) {
  if (!is_blocks(spec.dtype)) return {spec};
  const std::string& name = spec.name;
  const int64_t count = spec.shape[0] * spec.shape[1], scales = count / kBlock;
  if (spec.dtype == Dtype::kInt8) {
    const std::string module = name.substr(0, name.rfind(".weight"));
    return {{name, Dtype::kI8, spec.shape},
            {module + ".SCB", Dtype::kF32, {spec.shape[0]}},
            {module + ".weight_format", Dtype::kU8, {}}};
  }
  std::vector<TensorSpec> parts = {
      {name, Dtype::kU8, {count / 2, 1}},
      {name + ".absmax", options.nested ? Dtype::kU8 : Dtype::kF32, {scales}},
      {name + ".quant_map", Dtype::kF32, {16}}};
  if (options.nested) {
    parts.push_back({name + ".nested_absmax", Dtype::kF32, {(scales + kNested - 1) / kNested}});
    parts.push_back({name + ".nested_quant_map", Dtype::kF32, {256}});
  }
  const auto length = static_cast<int64_t>(quant_state(spec, options, 0).size());
  parts.push_back({name + ".quant_state.bitsandbytes__" + std::string(name_of(spec.dtype)),
                   Dtype::kU8,
                   {length}});
  return parts;
}

std::vector<TensorSpec> all_parts(const std::vector<TensorSpec>& specs,
                                  const BitsandbytesOptions& options) {
  std::vector<TensorSpec> all;
  for (const TensorSpec& spec : specs)
    for (TensorSpec& part : parts_of(spec, options)) all.push_back(std::move(part));
  return all;
}

View row_of(const void* data, int64_t count, Dtype dtype) {
  return {const_cast<void*>(data), 1, count, count, dtype};
}

/// Scales less their mean, in 8 bits of the largest of 256.
struct NestedScales {
  float offset = 0;
  std::vector<uint8_t> codes;
  std::vector<float> largest;

  explicit NestedScales(const std::vector<float>& scales) : codes(scales.size()) {
    double sum = 0;
    for (const float scale : scales) sum += static_cast<double>(scale);
    offset = static_cast<float>(sum / static_cast<double>(scales.size()));
    for (size_t begin = 0; begin < scales.size(); begin += kNested) {
      const size_t end = std::min(scales.size(), begin + kNested);
      float most = 0;
      for (size_t i = begin; i < end; ++i) most = std::max(most, std::fabs(scales[i] - offset));
      largest.push_back(most);
      const float inverse = most > 0 ? 1 / most : 0;
      for (size_t i = begin; i < end; ++i)
        codes[i] = nearest_code(kSignedDynamicCode,
                                std::clamp((scales[i] - offset) * inverse, -1.0f, 1.0f));
    }
  }
};

}  // namespace

BitsandbytesWriter::BitsandbytesWriter(const std::filesystem::path& folder,
                                       std::vector<TensorSpec> tensors,
                                       const BitsandbytesOptions& options)
    : TensorWriter(std::move(tensors)),
      options_(options),
      stored_(all_parts(specs(), options)),
      files_(std::make_unique<SafetensorsWriter>(
          SafetensorsWriter::sharded(folder, stored_, options.shard_bytes))) {}
BitsandbytesWriter::~BitsandbytesWriter() = default;

const std::vector<TensorSpec>& BitsandbytesWriter::stored() const { return stored_; }

void BitsandbytesWriter::begin(size_t index) {
  now_ = &specs()[index];
  blocks_ = 0;
  scales_.clear();
}

void BitsandbytesWriter::put(const void* data, size_t size) {
  const Dtype dtype = now_->dtype;
  if (!is_blocks(dtype))
    return files_->write(row_of(data, static_cast<int64_t>(size / size_of(dtype)), dtype));
  const auto* blocks = static_cast<const std::byte*>(data);
  const auto count = static_cast<int64_t>(size / bytes_of(dtype, kBlock));
  if (is_four_bits(dtype))
    put_blocks4(blocks, count);
  else
    put_blocks8(blocks, count);
  blocks_ += count;
}

void BitsandbytesWriter::put_blocks4(const std::byte* blocks, int64_t count) {
  std::vector<std::byte> codes(static_cast<size_t>(count * kBlock / 2));
  for (int64_t i = 0; i < count; ++i)
    scales_.push_back(split_block4(blocks + i * static_cast<int64_t>(bytes_of(now_->dtype, kBlock)),
                                   codes.data() + i * kBlock / 2));
  files_->write(row_of(codes.data(), std::ssize(codes), Dtype::kU8));
}

void BitsandbytesWriter::put_blocks8(const std::byte* blocks, int64_t count) {
  const int64_t of_row = now_->shape[1] / kBlock;
  std::vector<std::byte> codes(static_cast<size_t>(count * kBlock));
  for (int64_t i = 0; i < count; ++i, blocks += bytes_of(Dtype::kInt8, kBlock)) {
    float scale;
    std::memcpy(&scale, blocks, sizeof scale);
    if ((blocks_ + i) % of_row == 0) scales_.push_back(scale);
    std::memcpy(codes.data() + i * kBlock, blocks + sizeof scale, kBlock);
  }
  files_->write(row_of(codes.data(), std::ssize(codes), Dtype::kI8));
}

void BitsandbytesWriter::end(size_t) {
  const auto scales = std::ssize(scales_);
  if (is_four_bits(now_->dtype)) return end_four_bits(*now_);
  if (!is_blocks(now_->dtype)) return;
  files_->write(row_of(scales_.data(), scales, Dtype::kF32));
  const uint8_t in_rows = 0;
  files_->write(row_of(&in_rows, 1, Dtype::kU8));
}

void BitsandbytesWriter::end_four_bits(const TensorSpec& spec) {
  const float* table = block_format(spec.dtype).codes.table;
  float offset = 0;
  if (options_.nested) {
    const NestedScales nested(scales_);
    offset = nested.offset;
    files_->write(row_of(nested.codes.data(), std::ssize(nested.codes), Dtype::kU8));
    files_->write(row_of(table, 16, Dtype::kF32));
    files_->write(row_of(nested.largest.data(), std::ssize(nested.largest), Dtype::kF32));
    files_->write(row_of(kSignedDynamicCode.value, 256, Dtype::kF32));
  } else {
    files_->write(row_of(scales_.data(), std::ssize(scales_), Dtype::kF32));
    files_->write(row_of(table, 16, Dtype::kF32));
  }
  const std::string state = quant_state(spec, options_, offset);
  files_->write(row_of(state.data(), std::ssize(state), Dtype::kU8));
}

void BitsandbytesWriter::finish() { files_->commit(); }

}  // namespace falconer
