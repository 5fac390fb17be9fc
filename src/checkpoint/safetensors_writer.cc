#include "checkpoint/safetensors_writer.h"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json_text.h"
#include "checkpoint/safetensors.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

std::string header_of(std::span<const TensorSpec> specs,
                      const SafetensorsWriter::Metadata& metadata) {
  ordered_json header;
  header["__metadata__"] = metadata;
  size_t at = 0;
  for (const auto& spec : specs) {
    const size_t end = at + byte_count(spec);
    header[spec.name] = {{"dtype", safetensors_name(spec.dtype)},
                         {"shape", spec.shape},
                         {"data_offsets", {at, end}}};
    at = end;
  }
  // Metadata may quote what a user typed; names are checked where they come from.
  std::string text = json_text(header);
  text.append((8 - text.size() % 8) % 8, ' ');  // the first tensor begins at a multiple of 8
  return text;
}

/// Consecutive tensors of one file.
struct Shard {
  std::string name;
  size_t begin = 0, end = 0;  // of the specs
};

/// A new shard begins where the next tensor would make this one larger than `limit`.
std::vector<Shard> plan_shards(const std::vector<TensorSpec>& specs, int64_t limit) {
  std::vector<Shard> shards(1);
  int64_t bytes = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    const auto size = static_cast<int64_t>(byte_count(specs[i]));
    if (bytes > 0 && bytes + size > limit) {
      shards.push_back({"", i, i});
      bytes = 0;
    }
    shards.back().end = i + 1;
    bytes += size;
  }
  if (shards.size() == 1) {
    shards[0].name = "model.safetensors";
    return shards;
  }
  for (size_t i = 0; i < shards.size(); ++i)
    shards[i].name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
  return shards;
}

}  // namespace

struct SafetensorsWriter::State {
  fs::path folder;
  std::vector<Shard> shards;
  Metadata metadata;
  std::deque<AtomicFile> files;  // one for each shard that was begun

  void begin_shard(std::span<const TensorSpec> specs) {
    metadata.emplace("format", "pt");         // transformers refuses files that do not say it
    if (!files.empty()) files.back().seal();  // many shards would be many open files
    const Shard& shard = shards[files.size()];
    AtomicFile& file = files.emplace_back(folder / shard.name);
    const std::string header =
        header_of(specs.subspan(shard.begin, shard.end - shard.begin), metadata);
    const uint64_t length = header.size();
    file.write(&length, sizeof length);
    file.write(header);
  }

  void write_index(const std::vector<TensorSpec>& specs) const {
    ordered_json index;
    size_t total = 0;
    for (const auto& spec : specs) total += byte_count(spec);
    index["metadata"]["total_size"] = total;
    for (const auto& shard : shards)
      for (size_t i = shard.begin; i < shard.end; ++i)
        index["weight_map"][specs[i].name] = shard.name;
    write_file(folder / "model.safetensors.index.json", index.dump(2) + "\n");
  }
};

SafetensorsWriter::SafetensorsWriter(std::vector<TensorSpec> specs)
    : TensorWriter(std::move(specs)), state_(std::make_unique<State>()) {
  for (const auto& spec : this->specs())
    FALCONER_CHECK(spec.name != "__metadata__" && !is_blocks(spec.dtype));
}
SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&&) noexcept = default;
SafetensorsWriter::~SafetensorsWriter() = default;

SafetensorsWriter::SafetensorsWriter(const fs::path& path, std::vector<TensorSpec> tensors,
                                     Metadata metadata)
    : SafetensorsWriter(std::move(tensors)) {
  state_->folder = path.parent_path();
  state_->shards = {{path.filename().string(), 0, specs().size()}};
  state_->metadata = std::move(metadata);
  state_->begin_shard(specs());
}

SafetensorsWriter SafetensorsWriter::sharded(const fs::path& folder, std::vector<TensorSpec> specs,
                                             int64_t shard_bytes) {
  SafetensorsWriter writer(std::move(specs));
  writer.state_->folder = folder;
  writer.state_->shards = plan_shards(writer.specs(), shard_bytes);
  writer.state_->begin_shard(writer.specs());
  return writer;
}

void SafetensorsWriter::begin(size_t index) {
  if (index == state_->shards[state_->files.size() - 1].end) state_->begin_shard(specs());
}

void SafetensorsWriter::put(const void* data, size_t size) {
  state_->files.back().write(data, size);
}

void SafetensorsWriter::finish() {
  for (AtomicFile& file : state_->files) file.commit();
  if (state_->shards.size() > 1) state_->write_index(specs());
}

void write_safetensors(const fs::path& path, const std::vector<NamedView>& tensors,
                       const SafetensorsWriter::Metadata& metadata) {
  std::vector<TensorSpec> specs;
  for (const auto& tensor : tensors)
    specs.push_back({tensor.name, tensor.values.dtype, tensor.shape});
  SafetensorsWriter writer(path, std::move(specs), metadata);
  for (const auto& tensor : tensors) writer.write(tensor.values);
  writer.commit();
}

}  // namespace falconer
