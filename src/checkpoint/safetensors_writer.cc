#include "checkpoint/safetensors_writer.h"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_file.h"
#include "tensor/buffer.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

/// Tensors are converted in pieces of about this size where they cannot be written as they lie.
constexpr int64_t kPieceBytes = 16 << 20;

size_t byte_count(const TensorSpec& spec) {
  const auto count = element_count(spec.shape);
  FALCONER_CHECK(count);
  return static_cast<size_t>(*count) * size_of(spec.dtype);
}

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
  std::string text = header.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');  // the first tensor begins at a multiple of 8
  return text;
}

void check_names(const std::vector<TensorSpec>& specs) {
  std::set<std::string_view> seen = {"__metadata__"};
  for (const auto& spec : specs) FALCONER_CHECK(seen.insert(spec.name).second);
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

/// Writes `values` converted to `dtype`, in row-major order: some rows at a time, or a part of one
/// row where rows are long (a vector is a single row).
void write_pieces(const View& values, Dtype dtype, AtomicFile& file) {
  const int64_t room = kPieceBytes / static_cast<int64_t>(size_of(dtype));  // elements
  const int64_t cols = std::clamp<int64_t>(values.cols, 1, room);
  const int64_t rows = cols < values.cols
                           ? 1
                           : std::clamp<int64_t>(room / cols, 1, std::max<int64_t>(values.rows, 1));
  const Tensor piece(rows, cols, dtype);
  for (int64_t row = 0; row < values.rows; row += rows) {
    const View band = values.row_range(row, std::min(rows, values.rows - row));
    for (int64_t col = 0; col < values.cols; col += cols) {
      const View part = band.col_range(col, std::min(cols, values.cols - col));
      const View converted{piece.view().data, part.rows, part.cols, part.cols, dtype};
      copy_converted(part, converted);
      file.write(converted.data, converted.bytes());
    }
  }
}

}  // namespace

struct SafetensorsWriter::State {
  fs::path folder;
  std::vector<TensorSpec> specs;
  std::vector<Shard> shards;
  Metadata metadata;
  size_t next = 0;               // tensor to be written
  std::deque<AtomicFile> files;  // one for each shard that was begun

  void begin_shard() {
    const Shard& shard = shards[files.size()];
    AtomicFile& file = files.emplace_back(folder / shard.name);
    const std::string header =
        header_of(std::span(specs).subspan(shard.begin, shard.end - shard.begin), metadata);
    const uint64_t length = header.size();
    file.write(&length, sizeof length);
    file.write(header);
  }

  void write_index() const {
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

SafetensorsWriter::SafetensorsWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&&) noexcept = default;
SafetensorsWriter::~SafetensorsWriter() = default;

SafetensorsWriter::SafetensorsWriter(const fs::path& path, std::vector<TensorSpec> specs,
                                     Metadata metadata)
    : state_(std::make_unique<State>()) {
  check_names(specs);
  metadata.emplace("format", "pt");  // transformers refuses files that do not say it
  state_->folder = path.parent_path();
  state_->shards = {{path.filename().string(), 0, specs.size()}};
  state_->specs = std::move(specs);
  state_->metadata = std::move(metadata);
  state_->begin_shard();
}

SafetensorsWriter SafetensorsWriter::sharded(const fs::path& folder, std::vector<TensorSpec> specs,
                                             int64_t shard_bytes) {
  check_names(specs);
  auto state = std::make_unique<State>();
  state->folder = folder;
  state->shards = plan_shards(specs, shard_bytes);
  state->specs = std::move(specs);
  state->metadata = {{"format", "pt"}};
  state->begin_shard();
  return SafetensorsWriter(std::move(state));
}

void SafetensorsWriter::write(const View& values) {
  State& state = *state_;
  FALCONER_CHECK(state.next < state.specs.size());
  const TensorSpec& spec = state.specs[state.next];
  if (state.next == state.shards[state.files.size() - 1].end) state.begin_shard();
  ++state.next;
  FALCONER_CHECK(static_cast<size_t>(values.size()) * size_of(spec.dtype) == byte_count(spec));
  if (values.dtype == spec.dtype && values.contiguous())
    return state.files.back().write(values.data, values.bytes());
  write_pieces(values, spec.dtype, state.files.back());
}

void SafetensorsWriter::commit() {
  FALCONER_CHECK(state_->next == state_->specs.size());
  for (AtomicFile& file : state_->files) file.commit();
  if (state_->shards.size() > 1) state_->write_index();
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
