#include "checkpoint/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <set>

#include "base/error.h"
#include "base/joined.h"
#include "base/log.h"
#include "base/plural.h"

namespace falconer {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kLongestName = 64;      // of a tensor; what llama.cpp can hold
constexpr uint64_t kLongestKey = 1 << 16;  // by the format's definition
constexpr uint32_t kMostDimensions = 4;

/// Bytes of a number; 0 for texts and arrays, and for what is no kind at all.
size_t size_of(GgufKind kind) {
  switch (kind) {
    case GgufKind::kU8:
    case GgufKind::kI8:
    case GgufKind::kBool:
      return 1;
    case GgufKind::kU16:
    case GgufKind::kI16:
      return 2;
    case GgufKind::kU32:
    case GgufKind::kI32:
    case GgufKind::kF32:
      return 4;
    case GgufKind::kU64:
    case GgufKind::kI64:
    case GgufKind::kF64:
      return 8;
    default:
      return 0;
  }
}

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

int64_t integer_from(GgufKind kind, const std::byte* from) {
  switch (kind) {
    case GgufKind::kU8:
    case GgufKind::kBool:
      return load<uint8_t>(from);
    case GgufKind::kI8:
      return load<int8_t>(from);
    case GgufKind::kU16:
      return load<uint16_t>(from);
    case GgufKind::kI16:
      return load<int16_t>(from);
    case GgufKind::kU32:
      return load<uint32_t>(from);
    case GgufKind::kI32:
      return load<int32_t>(from);
    case GgufKind::kI64:
      return load<int64_t>(from);
    case GgufKind::kU64:
      return static_cast<int64_t>(std::min<uint64_t>(load<uint64_t>(from), INT64_MAX));
    default:
      return 0;
  }
}

}  // namespace

namespace {

bool is_whole(GgufKind kind) {
  return size_of(kind) > 0 && kind != GgufKind::kF32 && kind != GgufKind::kF64 &&
         kind != GgufKind::kBool;
}

}  // namespace

bool GgufValue::whole() const { return is_whole(kind); }
bool GgufValue::whole_list() const { return kind == GgufKind::kArray && is_whole(element); }

int64_t GgufValue::integer_at(uint64_t i) const {
  FALCONER_CHECK(kind == GgufKind::kArray && i < count);
  return integer_from(element, bytes.data() + i * size_of(element));
}

std::string GgufTensor::shape_text() const { return fmt::format("[{}]", joined(shape, ", ")); }

template <class... Args>
void Gguf::wrong(fmt::format_string<Args...> format, Args&&... args) const {
  fail("{}: {}; fetch or export it again", path().string(),
       fmt::format(format, std::forward<Args>(args)...));
}

/// Takes the file apart from its beginning, never past its end.
class Gguf::Reader {
 public:
  explicit Reader(Gguf& gguf) : gguf_(gguf), bytes_(gguf.file_->bytes()) {}

  void read() {
    if (bytes_.size() < 24 ||
        std::string_view(reinterpret_cast<const char*>(bytes_.data()), 4) != kMagic)
      gguf_.wrong("expected a GGUF file, found something else of {} {}", bytes_.size(),
                  plural(bytes_.size(), "byte"));
    at_ = 4;
    const auto version = number<uint32_t>();
    if ((version & 0xffffu) == 0 && version != 0)
      gguf_.wrong("is in the byte order of another machine");
    if (version != 2 && version != 3)
      gguf_.wrong("is GGUF of version {}; versions 2 and 3 can be read", version);
    const auto tensors = number<uint64_t>(), values = number<uint64_t>();
    check_count("tensors", tensors, 8 + 4 + 8 + 4 + 8);
    check_count("keys", values, 8 + 4 + 1);
    read_metadata(values);
    read_tensors(tensors);
  }

 private:
  size_t left() const { return bytes_.size() - at_; }

  std::span<const std::byte> take(uint64_t size) {
    if (size > left())
      gguf_.wrong("ends at byte {}, and {} more are expected at {}: it is cut short", bytes_.size(),
                  size, at_);
    at_ += size;
    return bytes_.subspan(at_ - size, size);
  }

  template <class T>
  T number() {
    return load<T>(take(sizeof(T)).data());
  }

  std::string_view text(const char* what, uint64_t longest) {
    const auto length = number<uint64_t>();
    if (length > longest || length > left())
      gguf_.wrong("says that {} at byte {} has {} bytes", what, at_, length);
    const auto part = take(length);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

  /// So many things of at least `size` bytes each must fit into what is left.
  void check_count(const char* what, uint64_t count, uint64_t size) const {
    if (count > left() / size)
      gguf_.wrong("says that it has {} {}, in {} bytes", count, what, left());
  }

  void read_metadata(uint64_t count) {
    std::set<std::string_view> seen;
    for (uint64_t i = 0; i < count; ++i) {
      const std::string_view key = text("a key", kLongestKey);
      if (key.empty() || !seen.insert(key).second)
        gguf_.wrong("has the key \"{}\" {}", printable(key), key.empty() ? "" : "twice");
      gguf_.metadata_.emplace_back(key, value(key));
    }
  }

  GgufValue value(std::string_view key) {
    GgufValue made{.kind = kind(key)};
    if (made.kind == GgufKind::kText) {
      made.text = text("a text", UINT64_MAX);
    } else if (made.kind == GgufKind::kArray) {
      read_array(key, made);
    } else {
      const auto part = take(size_of(made.kind));
      made.integer = integer_from(made.kind, part.data());
      made.number = static_cast<double>(made.integer);
      if (made.kind == GgufKind::kF32) made.number = load<float>(part.data());
      if (made.kind == GgufKind::kF64) made.number = load<double>(part.data());
      if (made.kind == GgufKind::kBool && made.integer > 1)
        gguf_.wrong("\"{}\" is neither true nor false", printable(key));
    }
    return made;
  }

  GgufKind kind(std::string_view key) {
    const auto number = this->number<uint32_t>();
    if (number > static_cast<uint32_t>(GgufKind::kF64))
      gguf_.wrong("\"{}\" is a value of type {}, which there is not", printable(key), number);
    return static_cast<GgufKind>(number);
  }

  void read_array(std::string_view key, GgufValue& made) {
    made.element = kind(key);
    made.count = number<uint64_t>();
    if (made.element == GgufKind::kArray)
      gguf_.wrong("\"{}\" is an array of arrays, which cannot be read", printable(key));
    if (made.element != GgufKind::kText) {
      check_count("elements of an array", made.count, size_of(made.element));
      made.bytes = take(made.count * size_of(made.element));
      return;
    }
    check_count("texts of an array", made.count, sizeof(uint64_t));
    made.texts.reserve(made.count);
    for (uint64_t i = 0; i < made.count; ++i) made.texts.push_back(text("a text", UINT64_MAX));
  }

  struct Place {
    uint64_t offset = 0, bytes = 0;
  };

  void read_tensors(uint64_t count) {
    std::vector<Place> places;
    std::set<std::string, std::less<>> seen;
    for (uint64_t i = 0; i < count; ++i) {
      GgufTensor tensor;
      tensor.name = text("the name of a tensor", kLongestName);
      if (tensor.name.empty() || !seen.insert(tensor.name).second)
        gguf_.wrong("has the tensor \"{}\" twice, or without a name", printable(tensor.name));
      places.push_back(read_shape(tensor));
      gguf_.tensors_.push_back(std::move(tensor));
    }
    find_bytes(places);
  }

  Place read_shape(GgufTensor& tensor) {
    const auto dimensions = number<uint32_t>();
    if (dimensions > kMostDimensions)
      gguf_.wrong("\"{}\" has {} dimensions; expected at most {}", printable(tensor.name),
                  dimensions, kMostDimensions);
    for (uint32_t d = 0; d < dimensions; ++d) {
      const auto size = number<uint64_t>();
      tensor.shape.push_back(static_cast<int64_t>(std::min<uint64_t>(size, INT64_MAX)));
    }
    std::reverse(tensor.shape.begin(), tensor.shape.end());
    const auto number = this->number<uint32_t>();
    const auto type = gguf_type(number);
    if (!type)
      gguf_.wrong("\"{}\" is of type {}, which {}", printable(tensor.name), number,
                  unknown_gguf_type(number));
    tensor.type = *type;
    const auto elements = element_count(tensor.shape);
    const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (!elements || *elements == 0 || row % type->block != 0)
      gguf_.wrong("\"{}\" cannot be {} of shape {}", printable(tensor.name), type->name,
                  tensor.shape_text());
    return {.offset = this->number<uint64_t>(),
            .bytes = static_cast<uint64_t>(*elements / type->block * type->bytes)};
  }

  void find_bytes(const std::vector<Place>& places) {
    const int64_t alignment = gguf_.integer("general.alignment", kGgufAlignment);
    if (alignment < 8 || alignment > 65536 || (alignment & (alignment - 1)) != 0)
      gguf_.wrong("its alignment is {}; expected a power of two from 8 to 65536", alignment);
    const auto padded = [&](uint64_t at) {
      return (at + static_cast<uint64_t>(alignment) - 1) / static_cast<uint64_t>(alignment) *
             static_cast<uint64_t>(alignment);
    };
    const uint64_t data = padded(at_);
    uint64_t next = 0;
    for (size_t i = 0; i < places.size(); ++i) {
      GgufTensor& tensor = gguf_.tensors_[i];
      if (places[i].offset != next)
        gguf_.wrong("\"{}\" lies at byte {} of the data; expected byte {}", printable(tensor.name),
                    places[i].offset, next);
      if (data > bytes_.size() || next > bytes_.size() - data ||
          places[i].bytes > bytes_.size() - data - next)
        gguf_.wrong("ends before the {} bytes of \"{}\" do: it is cut short", places[i].bytes,
                    printable(tensor.name));
      tensor.bytes = bytes_.subspan(data + next, places[i].bytes);
      next = padded(next + places[i].bytes);  // at most the file's size, so it does not overflow
    }
    // gguf 0.19 reads such files as well: some tools pad them.
    if (bytes_.size() > data + next)
      log_warning("{}: {} {} behind its last tensor are not read", gguf_.path().string(),
                  bytes_.size() - data - next, plural(bytes_.size() - data - next, "byte"));
  }

  Gguf& gguf_;
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

Gguf::Gguf(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {
  Reader(*this).read();
}

Gguf Gguf::open(const std::filesystem::path& path) {
  return Gguf(std::make_shared<const MappedFile>(path));
}

const GgufTensor* Gguf::tensor(std::string_view name) const {
  for (const GgufTensor& tensor : tensors_)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

const GgufValue* Gguf::find(std::string_view key) const {
  for (const auto& [name, value] : metadata_)
    if (name == key) return &value;
  return nullptr;
}

const GgufValue& Gguf::required(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) wrong("lacks the key \"{}\"", key);
  return *value;
}

int64_t Gguf::integer(std::string_view key, std::optional<int64_t> otherwise,
                      const WholeRange& range) const {
  if (otherwise && find(key) == nullptr) return *otherwise;
  const GgufValue& value = required(key);
  if (!value.whole()) wrong("\"{}\" is not a whole number", key);
  if (!range.holds(value.integer))
    wrong("\"{}\" is {}; expected {}", key, value.integer, expectation(range));
  return value.integer;
}

double Gguf::number(std::string_view key, std::optional<double> otherwise,
                    const RealRange& range) const {
  if (otherwise && find(key) == nullptr) return *otherwise;
  const GgufValue& value = required(key);
  if (size_of(value.kind) == 0 || value.kind == GgufKind::kBool)
    wrong("\"{}\" is not a number", key);
  if (!range.holds(value.number))
    wrong("\"{}\" is {}; expected {}", key, value.number, expectation(range));
  return value.number;
}

std::string_view Gguf::text(std::string_view key, std::optional<std::string_view> otherwise) const {
  if (otherwise && find(key) == nullptr) return *otherwise;
  const GgufValue& value = required(key);
  if (value.kind != GgufKind::kText) wrong("\"{}\" is not a text", key);
  return value.text;
}

std::span<const std::string_view> Gguf::texts(std::string_view key) const {
  const GgufValue& value = required(key);
  if (value.kind != GgufKind::kArray || value.element != GgufKind::kText)
    wrong("\"{}\" is not a list of texts", key);
  return value.texts;
}

FileContent Gguf::content() const {
  FileContent content;
  content.owners.push_back(file_);
  for (const GgufTensor& tensor : tensors_) {
    if (!tensor.type.dtype)
      fail(
          "{}: \"{}\" is {}, which is no type of weights; floats and ggml's other formats of "
          "blocks can be read. "
          "Export the model again as one of them",
          path().string(), printable(tensor.name), tensor.type.name);
    content.tensors.push_back({.name = tensor.name,
                               .dtype = *tensor.type.dtype,
                               .shape = tensor.shape,
                               .bytes = tensor.bytes});
  }
  return content;
}

bool is_gguf(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  std::ifstream file(path, std::ios::binary);
  char begin[4] = {};
  return file.read(begin, sizeof begin) && std::string_view(begin, sizeof begin) == kMagic;
}

}  // namespace falconer
