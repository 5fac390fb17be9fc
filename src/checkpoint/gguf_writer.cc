#include "checkpoint/gguf_writer.h"

#include <cstring>

namespace falconer {
namespace {

constexpr uint32_t kGgufVersion = 3;
constexpr size_t kLongestWritten = 63;  // llama.cpp holds 64 with their end

size_t padding_after(size_t bytes) {
  constexpr auto kAlignment = static_cast<size_t>(kGgufAlignment);
  return (kAlignment - bytes % kAlignment) % kAlignment;
}

template <class T>
void append(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void append_text(std::string& to, std::string_view text) {
  append<uint64_t>(to, text.size());
  to += text;
}

std::string header_of(const std::vector<TensorSpec>& specs, const GgufMetadata& metadata) {
  std::string header = "GGUF";
  append(header, kGgufVersion);
  append<uint64_t>(header, specs.size());
  append(header, metadata.count());
  header += metadata.bytes();
  uint64_t offset = 0;
  for (const TensorSpec& spec : specs) {
    FALCONER_CHECK(spec.name.size() <= kLongestWritten && spec.shape.size() <= 4);
    append_text(header, spec.name);
    append(header, static_cast<uint32_t>(spec.shape.size()));
    for (size_t i = spec.shape.size(); i-- > 0;)
      append(header, static_cast<uint64_t>(spec.shape[i]));
    append(header, gguf_number(spec.dtype));
    append(header, offset);
    offset += byte_count(spec) + padding_after(byte_count(spec));
  }
  header.append(padding_after(header.size()), '\0');
  return header;
}

}  // namespace

void GgufMetadata::begin(std::string_view key, GgufKind kind) {
  append_text(bytes_, key);
  append(bytes_, static_cast<uint32_t>(kind));
  ++count_;
}

void GgufMetadata::add(std::string_view key, std::string_view text) {
  begin(key, GgufKind::kText);
  append_text(bytes_, text);
}
void GgufMetadata::add(std::string_view key, uint32_t number) {
  begin(key, GgufKind::kU32);
  append(bytes_, number);
}
void GgufMetadata::add(std::string_view key, float number) {
  begin(key, GgufKind::kF32);
  append(bytes_, number);
}
void GgufMetadata::add(std::string_view key, bool value) {
  begin(key, GgufKind::kBool);
  append(bytes_, static_cast<uint8_t>(value));
}
void GgufMetadata::add(std::string_view key, const std::vector<std::string>& texts) {
  begin(key, GgufKind::kArray);
  append(bytes_, static_cast<uint32_t>(GgufKind::kText));
  append<uint64_t>(bytes_, texts.size());
  for (const std::string& text : texts) append_text(bytes_, text);
}
void GgufMetadata::add(std::string_view key, const std::vector<int32_t>& numbers) {
  begin(key, GgufKind::kArray);
  append(bytes_, static_cast<uint32_t>(GgufKind::kI32));
  append<uint64_t>(bytes_, numbers.size());
  for (const int32_t number : numbers) append(bytes_, number);
}

void GgufMetadata::add(std::string_view key, const std::vector<float>& numbers) {
  begin(key, GgufKind::kArray);
  append(bytes_, static_cast<uint32_t>(GgufKind::kF32));
  append<uint64_t>(bytes_, numbers.size());
  for (const float number : numbers) append(bytes_, number);
}

GgufWriter::GgufWriter(const std::filesystem::path& path, std::vector<TensorSpec> tensors,
                       const GgufMetadata& metadata)
    : TensorWriter(std::move(tensors)), file_(std::make_unique<AtomicFile>(path)) {
  file_->write(header_of(specs(), metadata));
}
GgufWriter::~GgufWriter() = default;

void GgufWriter::put(const void* data, size_t size) { file_->write(data, size); }

void GgufWriter::end(size_t index) {
  constexpr char kZeros[kGgufAlignment] = {};
  file_->write(kZeros, padding_after(byte_count(specs()[index])));
}

void GgufWriter::finish() { file_->commit(); }

}  // namespace falconer
