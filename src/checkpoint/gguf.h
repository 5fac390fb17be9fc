// Reading GGUF, the files of llama.cpp: metadata as typed keys and values, then tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/number.h"
#include "checkpoint/gguf_types.h"
#include "checkpoint/tensor_file.h"

namespace falconer {

/// Bytes that tensors begin at multiples of, unless general.alignment says otherwise.
inline constexpr int64_t kGgufAlignment = 32;

enum class GgufKind : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kText,
  kArray,
  kU64,
  kI64,
  kF64
};

/// A value of the metadata. Texts lie in the file's map and live as long as the Gguf.
struct GgufValue {
  GgufKind kind = GgufKind::kU8;
  int64_t integer = 0;  // whole numbers and booleans
  double number = 0;    // every kind of number
  std::string_view text;
  // An array: of texts, or of numbers, which are read where they are asked for.
  GgufKind element = GgufKind::kU8;
  uint64_t count = 0;
  std::vector<std::string_view> texts;
  std::span<const std::byte> bytes;

  /// Whether `integer` holds it.
  bool whole() const;
  /// Whether it is a list of numbers that integer_at() can give.
  bool whole_list() const;
  /// Element i of an array of whole numbers.
  int64_t integer_at(uint64_t i) const;
};

struct GgufTensor {
  std::string name;
  GgufType type;
  std::vector<int64_t> shape;  // row-major: the file has it the other way round
  std::span<const std::byte> bytes;

  std::string shape_text() const;
};

/// A whole file. Everything that it says is checked against its size before it is used: counts,
/// lengths, shapes, offsets, and that the tensors lie one behind the other without overlap.
class Gguf {
 public:
  /// Errors: not GGUF of version 2 or 3, truncated or malformed.
  explicit Gguf(std::shared_ptr<const MappedFile> file);
  static Gguf open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_->path(); }
  /// In the file's order.
  const std::vector<std::pair<std::string_view, GgufValue>>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* tensor(std::string_view name) const;

  /// Null where there is none.
  const GgufValue* find(std::string_view key) const;
  /// Errors name the key: it is missing (unless `otherwise` is given), another kind of value, or out of
  /// range.
  int64_t integer(std::string_view key, std::optional<int64_t> otherwise = {},
                  const WholeRange& range = kAnyWhole) const;
  double number(std::string_view key, std::optional<double> otherwise = {},
                const RealRange& range = kAnyReal) const;
  std::string_view text(std::string_view key, std::optional<std::string_view> otherwise = {}) const;
  std::span<const std::string_view> texts(std::string_view key) const;

  /// The tensors as those of other files. Error: one is of a type that cannot be read.
  FileContent content() const;

 private:
  class Reader;
  template <class... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const;
  const GgufValue& required(std::string_view key) const;

  std::shared_ptr<const MappedFile> file_;
  std::vector<std::pair<std::string_view, GgufValue>> metadata_;
  std::vector<GgufTensor> tensors_;
};

/// Whether a file begins as GGUF does; false for a folder or where there is none.
bool is_gguf(const std::filesystem::path& path);

}  // namespace falconer
