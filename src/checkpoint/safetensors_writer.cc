#include "checkpoint/safetensors_writer.h"

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tensor/buffer.h"

namespace falconer {

struct SafetensorsWriter::State {
  std::unique_ptr<AtomicFile> file;
  std::vector<TensorSpec> specs;
  size_t next = 0;
};
SafetensorsWriter::SafetensorsWriter(std::unique_ptr<State> s) : state_(std::move(s)) {}
SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&&) noexcept = default;
SafetensorsWriter::~SafetensorsWriter() = default;
SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorSpec> specs, Metadata)
    : state_(std::make_unique<State>()) {
  nlohmann::ordered_json head;
  size_t at = 0;
  for (auto& s : specs) {
    size_t n = size_of(s.dtype);
    for (auto d : s.shape) n *= static_cast<size_t>(d);
    head[s.name] = {{"dtype", s.dtype == Dtype::kF32 ? "F32" : "BF16"}, {"shape", s.shape}, {"data_offsets", {at, at + n}}};
    at += n;
  }
  std::string text = head.dump();
  while (text.size() % 8) text += ' ';
  state_->file = std::make_unique<AtomicFile>(path);
  uint64_t n = text.size();
  state_->file->write(&n, 8);
  state_->file->write(text);
  state_->specs = std::move(specs);
}
SafetensorsWriter SafetensorsWriter::sharded(const std::filesystem::path& folder, std::vector<TensorSpec> specs, int64_t) {
  return SafetensorsWriter(folder / "model.safetensors", std::move(specs));
}
void SafetensorsWriter::write(const View& values) {
  Tensor t(values.rows, values.cols, state_->specs[state_->next++].dtype);
  copy_converted(values, t.view());
  state_->file->write(t.view().data, t.view().bytes());
}
void SafetensorsWriter::commit() { state_->file->commit(); }
void write_safetensors(const std::filesystem::path& path, const std::vector<NamedView>& tensors, const SafetensorsWriter::Metadata& m) {
  std::vector<TensorSpec> specs;
  for (auto& t : tensors) specs.push_back({t.name, t.values.dtype, t.shape});
  SafetensorsWriter w(path, specs, m);
  for (auto& t : tensors) w.write(t.values);
  w.commit();
}

}  // namespace falconer
