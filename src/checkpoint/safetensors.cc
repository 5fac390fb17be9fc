#include "checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/plural.h"
#include "checkpoint/strict_json.h"

namespace falconer {
namespace {

using nlohmann::json;

constexpr uint64_t kLongestHeader = 100'000'000;  // the bound that the format's own library sets

constexpr size_t kMostRank = 64;

struct DtypeName {
  const char* name;
  Dtype dtype;
};
constexpr DtypeName kDtypes[] = {
    {"F32", Dtype::kF32}, {"BF16", Dtype::kBF16}, {"F16", Dtype::kF16}, {"F64", Dtype::kF64},
    {"I64", Dtype::kI64}, {"I32", Dtype::kI32},   {"I16", Dtype::kI16}, {"I8", Dtype::kI8},
    {"U8", Dtype::kU8},   {"BOOL", Dtype::kBool},
};

class SafetensorsReader {
 public:
  explicit SafetensorsReader(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

  FileContent read() {
    const json header = read_header();
    content_.owners.push_back(file_);
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__")
        read_metadata(entry);
      else
        read_tensor(name, entry);
    }
    check_layout();
    return std::move(content_);
  }

 private:
  template <class... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: {}; fetch the file again", file_->path().string(),
         fmt::format(format, std::forward<Args>(args)...));
  }

  json read_header() {
    uint64_t length = 0;
    if (file_->size() < sizeof length)
      wrong("expected a safetensors header, found a file of {} {}", file_->size(),
            plural(file_->size(), "byte"));
    std::memcpy(&length, file_->data(), sizeof length);
    if (length > kLongestHeader || length > file_->size() - sizeof length)
      wrong("says that its header has {} bytes, in a file of {}", length, file_->size());
    data_ = file_->bytes().subspan(sizeof length + length);
    const char* text = reinterpret_cast<const char*>(file_->data()) + sizeof length;
    json header;
    try {
      header = parse_strict_json({text, length});
    } catch (const Error& error) {
      wrong("its header of {} {} is {}", length, plural(length, "byte"), error.what());
    }
    if (!header.is_object())
      wrong("expected a JSON object as its header, found {}", header.type_name());
    return header;
  }

  void read_metadata(const json& entry) {
    if (entry.is_null()) return;  // as safetensors reads it
    if (!entry.is_object()) wrong("its __metadata__ is not an object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) wrong("its __metadata__ \"{}\" is not text", printable(key));
      content_.metadata[key] = value.get<std::string>();
    }
  }

  /// A list of whole numbers that are not negative; nothing where `entry` has something else.
  static std::optional<std::vector<int64_t>> numbers(const json& entry, const char* key) {
    const auto found = entry.find(key);
    if (found == entry.end() || !found->is_array()) return std::nullopt;
    std::vector<int64_t> values;
    for (const auto& value : *found) {
      if (!value.is_number_unsigned() || value.get<uint64_t>() > INT64_MAX) return std::nullopt;
      values.push_back(value.get<int64_t>());
    }
    return values;
  }

  void read_tensor(const std::string& name, const json& entry) {
    if (!entry.is_object()) wrong("the entry of \"{}\" is not an object", printable(name));
    const auto dtype = entry.find("dtype");
    const auto shape = numbers(entry, "shape"), offsets = numbers(entry, "data_offsets");
    if (dtype == entry.end() || !dtype->is_string())
      wrong("the entry of \"{}\" has no dtype", printable(name));
    if (!shape) wrong("the shape of \"{}\" is not a list of sizes", printable(name));
    if (shape->size() > kMostRank)
      wrong("\"{}\" has {} dimensions; expected at most {}", printable(name), shape->size(),
            kMostRank);
    if (!offsets || offsets->size() != 2)
      wrong("the data_offsets of \"{}\" are not two offsets", printable(name));
    const auto& dtype_name = dtype->get_ref<const std::string&>();
    const auto known = dtype_from_safetensors(dtype_name);
    if (!known)
      fail("{}: the tensor \"{}\" is {}; F32, BF16 and F16 can be read: convert it to one of them",
           file_->path().string(), printable(name), printable(dtype_name));
    StoredTensor tensor{.name = name, .dtype = *known, .shape = *shape};
    tensor.bytes = bytes_between(tensor, (*offsets)[0], (*offsets)[1]);
    content_.tensors.push_back(std::move(tensor));
  }

  std::span<const std::byte> bytes_between(const StoredTensor& tensor, int64_t begin,
                                           int64_t end) const {
    if (begin > end || static_cast<uint64_t>(end) > data_.size())
      wrong("\"{}\" lies at bytes {} to {} of the data, which has {}", printable(tensor.name),
            begin, end, data_.size());
    const auto count = element_count(tensor.shape);
    const auto bytes = static_cast<size_t>(end - begin);
    if (!count || static_cast<uint64_t>(*count) * size_of(tensor.dtype) != bytes)
      wrong("\"{}\" of shape {} and dtype {} has {} bytes", printable(tensor.name),
            tensor.shape_text(), safetensors_name(tensor.dtype), bytes);
    return data_.subspan(static_cast<size_t>(begin), bytes);
  }

  /// Every byte of the data belongs to one tensor. Copies what lies where it cannot be read in
  /// place.
  void check_layout() {
    std::vector<StoredTensor*> order;
    for (auto& tensor : content_.tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(), [](const StoredTensor* a, const StoredTensor* b) {
      return std::pair(a->bytes.data(), a->bytes.size()) <
             std::pair(b->bytes.data(), b->bytes.size());
    });
    const std::byte* at = data_.data();
    for (StoredTensor* tensor : order) {
      if (tensor->bytes.data() != at)
        wrong("\"{}\" {} the tensor before it: it begins at byte {} of the data; expected byte {}",
              printable(tensor->name),
              tensor->bytes.data() < at ? "overlaps" : "leaves a gap behind",
              tensor->bytes.data() - data_.data(), at - data_.data());
      at += tensor->bytes.size();
      align(*tensor);
    }
    if (at != data_.data() + data_.size())
      wrong("has {} {} behind its last tensor", data_.data() + data_.size() - at,
            plural(data_.data() + data_.size() - at, "byte"));
  }

  void align(StoredTensor& tensor) {
    const size_t size = size_of(tensor.dtype);
    if (reinterpret_cast<uintptr_t>(tensor.bytes.data()) % size == 0) return;
    const auto copy = std::make_shared<std::vector<double>>(tensor.bytes.size() / 8 + 1);
    std::memcpy(copy->data(), tensor.bytes.data(), tensor.bytes.size());
    tensor.bytes = {reinterpret_cast<const std::byte*>(copy->data()), tensor.bytes.size()};
    content_.owners.push_back(copy);
  }

  std::shared_ptr<const MappedFile> file_;
  std::span<const std::byte> data_;
  FileContent content_;
};

}  // namespace

FileContent read_safetensors(std::shared_ptr<const MappedFile> file) {
  return SafetensorsReader(std::move(file)).read();
}

std::optional<Dtype> dtype_from_safetensors(std::string_view name) {
  for (const auto& entry : kDtypes)
    if (name == entry.name) return entry.dtype;
  return std::nullopt;
}

std::string_view safetensors_name(Dtype dtype) {
  for (const auto& entry : kDtypes)
    if (dtype == entry.dtype) return entry.name;
  return "?";
}

}  // namespace falconer
