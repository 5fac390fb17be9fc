#include "checkpoint/torch_zip.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "checkpoint/pickle.h"
#include "checkpoint/zip_archive.h"

namespace falconer {
namespace {

using Kind = PickleValue::Kind;

constexpr size_t kLargestPickle = size_t{1} << 26;
/// What opening may copy, so that a small file cannot ask for all memory: this much, and
/// kCopyFactor times the file.
constexpr size_t kCopyFree = size_t{1} << 24;
constexpr size_t kCopyFactor = 4;

struct StorageType {
  const char* name;
  Dtype dtype;
};
constexpr StorageType kStorageTypes[] = {
    {"FloatStorage", Dtype::kF32},  {"BFloat16Storage", Dtype::kBF16}, {"HalfStorage", Dtype::kF16},
    {"DoubleStorage", Dtype::kF64}, {"LongStorage", Dtype::kI64},      {"IntStorage", Dtype::kI32},
    {"ShortStorage", Dtype::kI16},  {"CharStorage", Dtype::kI8},       {"ByteStorage", Dtype::kU8},
    {"BoolStorage", Dtype::kBool},
};

/// Sizes were checked by element_count(): their products do not overflow.
bool row_major(const PickleValue& tensor) {
  int64_t stride = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != stride) return false;
    stride *= tensor.shape[i];
  }
  return true;
}

class TorchZipReader {
 public:
  explicit TorchZipReader(std::shared_ptr<const MappedFile> file)
      : name_(file->path().string()),
        archive_(file),
        copy_budget_(kCopyFree + kCopyFactor * file->size()) {
    content_.owners.push_back(std::move(file));
  }

  FileContent read() {
    find_prefix();
    check_byte_order();
    std::shared_ptr<const void> owner;
    const auto bytes = archive_.read(prefix_ + "data.pkl", 1, kLargestPickle, owner);
    if (bytes.size() > kLargestPickle)
      fail("{}: its pickle has {} bytes; expected at most {}", name_, bytes.size(), kLargestPickle);
    try {
      pickle_ = read_pickle(bytes);
    } catch (const Error& error) {
      fail("{}: its pickle {}", name_, error.what());
    }
    const PickleValue& state = state_dict();
    for (size_t i = 0; i + 1 < state.items.size(); i += 2) {
      const PickleValue& key = pickle_[state.items[i]];
      const PickleValue& value = pickle_[state.items[i + 1]];
      if (value.kind != Kind::kTensor) continue;  // a training script's numbers beside the tensors
      if (key.kind != Kind::kText) fail("{}: has a tensor without a name", name_);
      add_tensor(key.text, value);
    }
    if (content_.tensors.empty())
      fail(
          "{}: holds no tensors; expected a dict of them, or one under \"model\" or "
          "\"state_dict\". Save the model's state_dict() alone",
          name_);
    return std::move(content_);
  }

 private:
  /// All entries lie in one folder inside of the zip, whose name is free.
  void find_prefix() {
    constexpr std::string_view kPickle = "data.pkl";
    for (const auto& entry : archive_.names())
      if (entry == kPickle || entry.ends_with("/data.pkl")) {
        prefix_ = entry.substr(0, entry.size() - kPickle.size());
        return;
      }
    fail("{}: is a zip file, but not one of PyTorch's: it has no data.pkl", name_);
  }

  void check_byte_order() {
    for (const auto& entry : archive_.names()) {
      if (entry != prefix_ + "byteorder") continue;
      std::shared_ptr<const void> owner;
      const auto bytes = archive_.read(entry, 1, 16, owner);
      const std::string_view order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (order != "little")
        fail("{}: its byte order is \"{}\"; expected little", name_, printable(order));
    }
  }

  const PickleValue& state_dict() const {
    const PickleValue* root = &pickle_[pickle_.root];
    if (root->kind != Kind::kDict) fail("{}: does not hold a dict of tensors", name_);
    for (size_t i = 0; i + 1 < root->items.size(); i += 2) {
      const PickleValue& key = pickle_[root->items[i]];
      const PickleValue& value = pickle_[root->items[i + 1]];
      if (value.kind == Kind::kDict && (key.text == "model" || key.text == "state_dict"))
        return value;
    }
    return *root;
  }

  /// A storage's bytes, read once however many tensors share it.
  std::span<const std::byte> storage_bytes(const PickleValue& storage, size_t element) {
    auto [place, first] = storages_.try_emplace(storage.text);
    if (first) {
      std::shared_ptr<const void> owner;
      place->second =
          archive_.read(prefix_ + "data/" + storage.text, sizeof(double), copy_budget_, owner);
      if (owner) keep(owner, place->second.size());
    }
    const auto bytes = place->second;
    if (storage.number < 0 || static_cast<uint64_t>(storage.number) > bytes.size() / element)
      fail("{}: the storage \"{}\" has {} bytes; expected {} elements", name_,
           printable(storage.text), bytes.size(), storage.number);
    return bytes.first(static_cast<size_t>(storage.number) * element);
  }

  void keep(const std::shared_ptr<const void>& copy, size_t bytes) {
    copy_budget_ -= std::min(copy_budget_, bytes);
    content_.owners.push_back(copy);
  }

  void add_tensor(const std::string& name, const PickleValue& value) {
    StoredTensor tensor{.name = name, .shape = value.shape};
    const std::string& type = pickle_[value.storage].storage_type;
    for (const auto& known : kStorageTypes)
      if (type == known.name) tensor.dtype = known.dtype;
    const size_t element = size_of(tensor.dtype);
    const auto storage = storage_bytes(pickle_[value.storage], element);
    const auto held = static_cast<int64_t>(storage.size() / element);
    const auto count = element_count(value.shape);
    if (!count || !fits(value, held))
      fail(
          "{}: the tensor \"{}\" of shape {} from element {} on does not fit into its storage of "
          "{}; fetch it again",
          name_, printable(name), tensor.shape_text(), value.offset, held);
    if (row_major(value))
      tensor.bytes = storage.subspan(static_cast<size_t>(value.offset) * element,
                                     static_cast<size_t>(*count) * element);
    else
      tensor.bytes = gather(name, value, storage, element, *count);
    content_.tensors.push_back(std::move(tensor));
  }

  /// The last element that the strides reach lies inside.
  static bool fits(const PickleValue& tensor, int64_t held) {
    if (tensor.offset < 0 || tensor.offset > held) return false;
    int64_t last = tensor.offset;
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      if (tensor.shape[i] == 0) return true;
      const int64_t steps = tensor.shape[i] - 1;
      if (tensor.strides[i] < 0 || (steps > 0 && tensor.strides[i] > (held - last) / steps))
        return false;
      last += steps * tensor.strides[i];
    }
    return last < held;
  }

  /// A copy in row-major order, for transposed, expanded and other strided tensors.
  std::span<const std::byte> gather(const std::string& name, const PickleValue& tensor,
                                    std::span<const std::byte> storage, size_t element,
                                    int64_t count) {
    const size_t bytes = static_cast<size_t>(count) * element;
    if (bytes > copy_budget_)
      fail(
          "{}: the tensor \"{}\" would be copied into {} bytes; expected at most {}. Save it again "
          "after .contiguous()",
          name_, printable(name), bytes, copy_budget_);
    const auto copy = std::make_shared<std::vector<double>>(bytes / sizeof(double) + 1);
    auto* to = reinterpret_cast<std::byte*>(copy->data());
    std::vector<int64_t> index(tensor.shape.size(), 0);
    for (int64_t i = 0; i < count; ++i, to += element) {
      int64_t from = tensor.offset;
      for (size_t d = 0; d < index.size(); ++d) from += index[d] * tensor.strides[d];
      std::memcpy(to, storage.data() + static_cast<size_t>(from) * element, element);
      for (size_t d = index.size(); d-- > 0 && ++index[d] == tensor.shape[d];) index[d] = 0;
    }
    keep(copy, bytes);
    return {reinterpret_cast<const std::byte*>(copy->data()), bytes};
  }

  std::string name_, prefix_;
  ZipArchive archive_;
  size_t copy_budget_;  // bytes
  Pickle pickle_;
  std::map<std::string, std::span<const std::byte>> storages_;  // by key
  FileContent content_;
};

}  // namespace

FileContent read_torch_zip(std::shared_ptr<const MappedFile> file) {
  return TorchZipReader(std::move(file)).read();
}

}  // namespace falconer
