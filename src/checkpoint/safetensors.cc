#include "checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace falconer {
namespace {

using nlohmann::json;

constexpr uint64_t kLongestHeader = 100'000'000;  // the bound that the format's own library sets
constexpr int kDeepest = 8;                       // a header needs three levels

struct DtypeName {
  const char* name;
  Dtype dtype;
};
constexpr DtypeName kDtypes[] = {
    {"F32", Dtype::kF32}, {"BF16", Dtype::kBF16}, {"F16", Dtype::kF16}, {"F64", Dtype::kF64},
    {"I64", Dtype::kI64}, {"I32", Dtype::kI32},   {"I16", Dtype::kI16}, {"I8", Dtype::kI8},
    {"U8", Dtype::kU8},   {"BOOL", Dtype::kBool},
};

/// A callback for the parser: refuses nesting that no header has, which would cost stack, and keys
/// that come twice, which would hide a tensor.
class HeaderGuard {
 public:
  bool operator()(int depth, json::parse_event_t event, json& value) {
    if (depth > kDeepest) fail("nested {} deep", depth);
    if (event == json::parse_event_t::key && depth == 1) {
      const auto& key = value.get_ref<const std::string&>();
      if (!seen_.emplace(key, true).second) fail("with \"{}\" twice", key);
    }
    return true;
  }

 private:
  std::map<std::string, bool> seen_;
};

class Reader {
 public:
  explicit Reader(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

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
      wrong("expected a safetensors header, found a file of {} bytes", file_->size());
    std::memcpy(&length, file_->data(), sizeof length);
    if (length > kLongestHeader || length > file_->size() - sizeof length)
      wrong("says that its header has {} bytes, in a file of {}", length, file_->size());
    data_ = file_->bytes().subspan(sizeof length + length);
    const char* text = reinterpret_cast<const char*>(file_->data()) + sizeof length;
    json header;
    try {
      header = json::parse(text, text + length, HeaderGuard());
    } catch (const json::exception&) {
      wrong("its header of {} bytes is not JSON", length);
    } catch (const Error& error) {
      wrong("its header is {}", error.what());
    }
    if (!header.is_object()) wrong("its header is not a JSON object");
    return header;
  }

  void read_metadata(const json& entry) {
    if (!entry.is_object()) wrong("its __metadata__ is not an object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) wrong("its __metadata__ \"{}\" is not text", key);
      content_.metadata[key] = value.get<std::string>();
    }
  }

  void read_tensor(const std::string& name, const json& entry) {
    StoredTensor tensor{.name = name};
    std::vector<uint64_t> offsets;
    std::string dtype;
    try {
      dtype = entry.at("dtype").get<std::string>();
      for (const auto& size : entry.at("shape"))
        tensor.shape.push_back(size.is_number_unsigned() ? size.get<int64_t>() : -1);
      for (const auto& offset : entry.at("data_offsets"))
        offsets.push_back(offset.is_number_unsigned() ? offset.get<uint64_t>() : UINT64_MAX);
    } catch (const json::exception&) {
      wrong("the entry of \"{}\" lacks its dtype, shape or data_offsets", name);
    }
    const auto known = dtype_from_safetensors(dtype);
    if (!known)
      fail("{}: the tensor \"{}\" is {}; Falconer reads F32, BF16 and F16. Convert it first",
           file_->path().string(), name, dtype);
    tensor.dtype = *known;
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_.size())
      wrong("\"{}\" lies at bytes [{}] of the data, which has {}", name, fmt::join(offsets, ", "),
            data_.size());
    const auto count = element_count(tensor.shape);
    const uint64_t bytes = offsets[1] - offsets[0];
    if (!count || static_cast<uint64_t>(*count) * size_of(tensor.dtype) != bytes)
      wrong("\"{}\" of shape {} and dtype {} has {} bytes", name, tensor.shape_text(), dtype,
            bytes);
    tensor.bytes = data_.subspan(offsets[0], bytes);
    content_.tensors.push_back(std::move(tensor));
  }

  /// Every byte of the data belongs to one tensor. Then copies what a CPU cannot read in place.
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
        wrong("\"{}\" {} the tensor before it", tensor->name,
              tensor->bytes.data() < at ? "overlaps" : "leaves a gap behind");
      at += tensor->bytes.size();
      align(*tensor);
    }
    if (at != data_.data() + data_.size())
      wrong("has {} bytes behind its last tensor", data_.data() + data_.size() - at);
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
  return Reader(std::move(file)).read();
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
