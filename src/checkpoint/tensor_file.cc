#include "checkpoint/tensor_file.h"

#include <algorithm>
#include <set>

#include "base/file.h"
#include "checkpoint/gguf.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/strict_json.h"
#include "checkpoint/torch_zip.h"
#include "tensor/blocks/format.h"

namespace falconer {

namespace fs = std::filesystem;

std::optional<int64_t> element_count(const std::vector<int64_t>& shape) {
  constexpr int64_t kMost = int64_t{1} << 48;
  int64_t count = 1;  // as if every 0 were a 1: no partial product may overflow either
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0 || (size > 0 && count > kMost / size)) return std::nullopt;
    count *= std::max<int64_t>(size, 1);
    empty = empty || size == 0;
  }
  return empty ? 0 : count;
}

namespace {

constexpr const char* kSingleFiles[] = {"model.safetensors", "pytorch_model.bin"};
constexpr size_t kLongestIndex = 100'000'000;  // as the header of a safetensors file

/// Nothing where the system cannot tell, either: a name that no file can have is one that is missing.
bool can_be_read(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// Shard names come from a file that may be hostile: they must stay in the folder.
void check_shard_name(const fs::path& index, const std::string& name) {
  const bool plain =
      std::all_of(name.begin(), name.end(), [](unsigned char c) { return c >= ' ' && c != 0x7f; });
  if (name.empty() || name == "." || name == ".." || !plain || name.find('/') != name.npos)
    fail("{}: names the shard \"{}\"; expected a file name without folders", index.string(),
         printable(name));
}

/// Tensor -> shard.
std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  const std::string text = read_text_file(index, kLongestIndex);
  nlohmann::json json;
  try {
    json = parse_strict_json(text);
  } catch (const Error& error) {
    fail("{}: is {}; fetch the file again", index.string(), error.what());
  }
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    fail("{}: expected a JSON object with a \"weight_map\"; fetch the file again", index.string());
  std::map<std::string, std::string> map;
  for (const auto& [tensor, shard] : json["weight_map"].items()) {
    if (!shard.is_string())
      fail("{}: expected a file name for \"{}\", found {}", index.string(), printable(tensor),
           shard.type_name());
    check_shard_name(index, shard.get<std::string>());
    map[tensor] = shard.get<std::string>();
  }
  if (map.empty()) fail("{}: lists no tensors; fetch the file again", index.string());
  return map;
}

bool has_magic(const MappedFile& file, std::string_view magic, size_t at = 0) {
  return file.size() >= at + magic.size() &&
         std::string_view(reinterpret_cast<const char*>(file.data()) + at, magic.size()) == magic;
}

/// What torch.save wrote before version 1.6: a pickled magic number first.
constexpr std::string_view kLegacyTorch("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9", 9);

/// By what the file begins with; names only help to say what was expected.
FileContent read_any(std::shared_ptr<const MappedFile> file) {
  const std::string name = file->path().string();
  if (file->size() == 0) fail("{}: is empty; fetch it again", name);
  if (has_magic(*file, "version https://git-lfs"))
    fail("{}: is a Git LFS pointer, not the tensors; run \"git lfs pull\" in its folder", name);
  if (has_magic(*file, "PK\3\4")) return read_torch_zip(std::move(file));
  if (has_magic(*file, "GGUF")) return Gguf(std::move(file)).content();
  if (has_magic(*file, kLegacyTorch))
    fail(
        "{0}: was saved in the format of PyTorch before 1.6; expected its zip format. Convert it "
        "with: python -c 'import torch; torch.save(torch.load(\"{0}\", weights_only=True), "
        "\"{0}\")'",
        name);
  const std::string extension = file->path().extension().string();
  const bool torch = extension == ".bin" || extension == ".pth" || extension == ".pt";
  if (torch && !has_magic(*file, "{", sizeof(uint64_t)))
    fail("{}: expected a zip file, as PyTorch writes it, found something else; fetch it again",
         name);
  return read_safetensors(std::move(file));
}

/// Names end up in messages and in JSON: they must be UTF-8 without control characters.
void check_tensor_name(const fs::path& path, const std::string& name) {
  bool good =
      std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; });
  try {
    nlohmann::json(name).dump();
  } catch (const nlohmann::json::exception&) {
    good = false;
  }
  if (!good) fail("{}: a tensor's name is not plain UTF-8 text; fetch it again", path.string());
}

}  // namespace

void TensorFiles::add_file(const fs::path& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  FileContent content = read_any(file);
  const std::byte *begin = file->data(), *end = begin + file->size();
  for (auto& tensor : content.tensors) {
    check_tensor_name(path, tensor.name);
    tensor.file = path;
    const std::byte* first = tensor.bytes.data();
    tensor.mapped = !std::less<>()(first, begin) && std::less<>()(first, end);
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
    if (!can_be_read(path))
      fail("{}: is missing, but {} lists it; fetch it again", path.string(),
           index.filename().string());
    files.add_file(path);
  }
  for (const auto& [name, shard] : weight_map) {
    const StoredTensor* tensor = files.find(name);
    if (tensor == nullptr)
      fail("{}: says that the tensor \"{}\" is in {}, which lacks it", index.string(),
           printable(name), printable(shard));
    if (tensor->file.filename() != shard)
      fail("{}: says that the tensor \"{}\" is in {}, but it is in {}", index.string(), name, shard,
           tensor->file.filename().string());
  }
  for (const auto& [name, tensor] : files.tensors())
    if (!weight_map.contains(name))
      fail("{}: holds the tensor \"{}\", which {} does not list; fetch the folder again",
           tensor.file.string(), name, index.filename().string());
  return files;
}

TensorFiles TensorFiles::open_folder(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    fail("{}: is not a folder; give the folder of a checkpoint", folder.string());
  for (const char* name : kSingleFiles) {
    if (can_be_read(folder / name)) return open_file(folder / name);
    const fs::path index = folder / (std::string(name) + ".index.json");
    if (can_be_read(index)) return open_shards(index);
  }
  fail(
      "{}: has no weights: none of model.safetensors, model.safetensors.index.json, "
      "pytorch_model.bin and pytorch_model.bin.index.json is there",
      folder.string());
}

namespace {

bool is_whole(const AssembledTensor& wanted) {
  return wanted.pieces.size() == 1 && wanted.pieces.front().rows.count == 0;
}

[[noreturn]] void fail_two(const StoredTensor& tensor, const std::string& name) {
  fail("{}: holds two tensors that are both {} elsewhere", tensor.file.string(), name);
}

/// Where it has as many numbers, one behind the other; whoever looks for it finds what it has else.
void take_shape(StoredTensor& tensor, const std::vector<int64_t>& shape) {
  if (shape.empty() || is_blocks(tensor.dtype) || !tensor.runs.empty() || tensor.apart != nullptr)
    return;
  if (element_count(shape) == element_count(tensor.shape)) tensor.shape = shape;
}

}  // namespace

void TensorFiles::rename(const std::map<std::string, std::string>& names) {
  std::map<std::string, StoredTensor, std::less<>> renamed;
  for (auto& [name, tensor] : tensors_) {
    const auto other = names.find(name);
    if (other != names.end()) tensor.name = other->second;
    const auto [place, added] = renamed.emplace(tensor.name, tensor);
    if (!added) fail_two(tensor, place->first);
  }
  tensors_ = std::move(renamed);
}

StoredTensor TensorFiles::put_together(const AssembledTensor& wanted,
                                       const std::map<std::string, int64_t>& rows) const {
  StoredTensor made = *find(wanted.pieces.front().tensor);
  if (is_whole(wanted)) return made;
  made.bytes = {};
  int64_t total = 0;
  for (const TensorPiece& piece : wanted.pieces) {
    const StoredTensor& from = *find(piece.tensor);
    if (from.shape.empty() || from.shape.size() > 2 || from.shape[0] != rows.at(piece.tensor))
      fail("{}: {} is {}; expected {} rows, of which {} has {}", from.file.string(), from.name,
           from.shape_text(), rows.at(piece.tensor), wanted.name, piece.rows.count);
    FALCONER_CHECK(from.apart == nullptr);
    if (is_blocks(from.dtype) && from.shape.size() == 1)
      fail(
          "{}: {} is a vector in blocks ({}), of which no part can be taken; expected plain "
          "numbers",
          from.file.string(), printable(piece.tensor), label_of(from.dtype));
    if (from.shape.size() != made.shape.size() || from.row_bytes() != made.row_bytes() ||
        from.dtype != made.dtype || from.row_bytes() == 0)
      fail("{}: {} is {} of {}, and {} is {} of {}; expected one width and one kind of numbers",
           from.file.string(), wanted.pieces.front().tensor, made.shape_text(),
           label_of(made.dtype), piece.tensor, from.shape_text(), label_of(from.dtype));
    const int64_t size = from.row_bytes();
    const auto run = from.bytes.subspan(static_cast<size_t>(piece.rows.begin * size),
                                        static_cast<size_t>(piece.rows.count * size));
    made.mapped = made.mapped && from.mapped;
    total += piece.rows.count;
    if (made.runs.empty() || made.runs.back().data() + made.runs.back().size() != run.data())
      made.runs.push_back(run);
    else
      made.runs.back() = {made.runs.back().data(), made.runs.back().size() + run.size()};
  }
  made.shape[0] = total;
  if (made.runs.size() == 1) {
    made.bytes = made.runs.front();
    made.runs.clear();
  }
  return made;
}

void TensorFiles::assemble(const std::vector<AssembledTensor>& wanted) {
  std::map<std::string, int64_t> rows;  // that a tensor must have for its pieces
  for (const AssembledTensor& one : wanted)
    for (const TensorPiece& piece : one.pieces)
      rows[piece.tensor] = std::max(rows[piece.tensor], piece.rows.begin + piece.rows.count);
  std::map<std::string, StoredTensor, std::less<>> made;
  std::set<std::string, std::less<>> taken;
  for (const AssembledTensor& one : wanted) {
    const TensorPiece* missing = nullptr;
    size_t there = 0;
    for (const TensorPiece& piece : one.pieces)
      find(piece.tensor) != nullptr ? void(++there) : void(missing = &piece);
    if (there == 0) continue;
    if (missing != nullptr)
      fail("{}: the tensor {} is missing, which is a part of {}; the file may be incomplete",
           files_.front().string(), missing->tensor, one.name);
    StoredTensor tensor = put_together(one, rows);
    tensor.name = one.name;
    tensor.form = one.form;
    take_shape(tensor, one.shape);
    for (const TensorPiece& piece : one.pieces) taken.insert(piece.tensor);
    if (const auto [place, added] = made.emplace(one.name, std::move(tensor)); !added)
      fail_two(place->second, one.name);
  }
  for (auto& [name, tensor] : tensors_)
    if (!taken.contains(name) && !made.emplace(name, tensor).second) fail_two(tensor, name);
  tensors_ = std::move(made);
}

void TensorFiles::replace(StoredTensor tensor) {
  std::string name = tensor.name;
  tensors_.insert_or_assign(std::move(name), std::move(tensor));
}

const StoredTensor* TensorFiles::find(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

}  // namespace falconer
