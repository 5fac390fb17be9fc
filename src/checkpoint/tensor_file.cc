#include "checkpoint/tensor_file.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch_zip.h"

namespace falconer {

namespace fs = std::filesystem;

View StoredTensor::view() const {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  const int64_t cols = shape.empty() ? 1 : shape.back();
  return {const_cast<std::byte*>(bytes.data()), rows, cols, cols, dtype};
}

int64_t StoredTensor::size() const { return static_cast<int64_t>(bytes.size() / size_of(dtype)); }

std::string StoredTensor::shape_text() const { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::optional<int64_t> element_count(const std::vector<int64_t>& shape) {
  constexpr int64_t kMost = int64_t{1} << 48;
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size < 0 || (size > 0 && count > kMost / size)) return std::nullopt;
    count *= size;
  }
  return count;
}

namespace {

constexpr const char* kSingleFiles[] = {"model.safetensors", "pytorch_model.bin"};

/// Shard names come from a file that may be hostile: they must stay in the folder.
void check_shard_name(const fs::path& index, const std::string& name) {
  const fs::path path(name);
  if (name.empty() || path.has_parent_path() || path.is_absolute() || name == "." || name == "..")
    fail("{}: names the shard \"{}\"; expected a file name without folders", index.string(), name);
}

/// Tensor -> shard.
std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  const auto json = nlohmann::json::parse(read_text_file(index, size_t{1} << 28), nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    fail("{}: expected a JSON object with a \"weight_map\"; fetch the file again", index.string());
  std::map<std::string, std::string> map;
  for (const auto& [tensor, shard] : json["weight_map"].items()) {
    if (!shard.is_string())
      fail("{}: expected a file name for \"{}\", found {}", index.string(), tensor, shard.dump());
    check_shard_name(index, shard.get<std::string>());
    map[tensor] = shard.get<std::string>();
  }
  return map;
}

bool has_magic(const MappedFile& file, std::string_view magic, size_t at = 0) {
  return file.size() >= at + magic.size() &&
         std::string_view(reinterpret_cast<const char*>(file.data()) + at, magic.size()) == magic;
}

FileContent read_any(std::shared_ptr<const MappedFile> file) {
  const std::string name = file->path().string();
  if (file->size() == 0) fail("{}: is empty; fetch it again", name);
  if (has_magic(*file, "version https://git-lfs"))
    fail("{}: is a Git LFS pointer, not the tensors; run \"git lfs pull\" in its folder", name);
  const std::string extension = file->path().extension().string();
  if (has_magic(*file, "PK\3\4")) return read_torch_zip(std::move(file));
  if (extension == ".bin" || extension == ".pth" || extension == ".pt")
    fail(
        "{}: is not a zip file, which PyTorch writes since version 1.6; if it is older, load and "
        "save it again with a newer PyTorch, else fetch it again",
        name);
  return read_safetensors(std::move(file));
}

}  // namespace

void TensorFiles::add_file(const fs::path& path) {
  FileContent content = read_any(std::make_shared<const MappedFile>(path));
  for (auto& tensor : content.tensors) {
    tensor.file = path;
    std::string name = tensor.name;
    const auto [place, added] = tensors_.emplace(std::move(name), std::move(tensor));
    if (!added)
      fail("{}: the tensor \"{}\" is in {} too", path.string(), place->first,
           place->second.file.filename().string());
  }
  metadata_.merge(content.metadata);
  files_.push_back(path);
  owners_.insert(owners_.end(), content.owners.begin(), content.owners.end());
}

TensorFiles TensorFiles::open_file(const fs::path& path) {
  TensorFiles files;
  files.add_file(path);
  return files;
}

TensorFiles TensorFiles::open_shards(const fs::path& index) {
  const auto weight_map = read_weight_map(index);
  std::set<std::string> shards;
  for (const auto& entry : weight_map) shards.insert(entry.second);
  TensorFiles files;
  for (const auto& shard : shards) {
    const fs::path path = index.parent_path() / shard;
    if (!fs::exists(path))
      fail("{}: is missing, but {} lists it; fetch it again", path.string(),
           index.filename().string());
    files.add_file(path);
  }
  for (const auto& [name, shard] : weight_map) {
    const StoredTensor* tensor = files.find(name);
    if (tensor == nullptr)
      fail("{}: says that the tensor \"{}\" is in {}, which lacks it", index.string(), name, shard);
    if (tensor->file.filename() != shard)
      fail("{}: says that the tensor \"{}\" is in {}, but it is in {}", index.string(), name, shard,
           tensor->file.filename().string());
  }
  return files;
}

TensorFiles TensorFiles::open_folder(const fs::path& folder) {
  if (!fs::is_directory(folder))
    fail("{}: is not a folder; give the folder of a checkpoint", folder.string());
  for (const char* name : kSingleFiles) {
    if (fs::exists(folder / name)) return open_file(folder / name);
    const fs::path index = folder / (std::string(name) + ".index.json");
    if (fs::exists(index)) return open_shards(index);
  }
  fail(
      "{}: has no weights: none of model.safetensors, model.safetensors.index.json, "
      "pytorch_model.bin and pytorch_model.bin.index.json is there",
      folder.string());
}

const StoredTensor* TensorFiles::find(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

}  // namespace falconer
