// Hashes that name contents: of files, of data, of models.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace falconer {

class Digest {
 public:
  static Digest sha256();
  /// Nothing where this system allows no SHA-1.
  static std::optional<Digest> sha1();

  void update(const void* data, size_t size);
  void update(std::string_view text) { update(text.data(), text.size()); }
  template <class T>
  void update(std::span<T> values) {
    update(values.data(), values.size_bytes());
  }
  /// Hexadecimal digits, once.
  std::string finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  explicit Digest(void* context) : context_(context) {}
  static std::optional<Digest> of(const void* algorithm);

  std::unique_ptr<void, Free> context_;
};

}  // namespace falconer
