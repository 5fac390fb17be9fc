// SHA-256, which names contents: of files, of data, of models.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace falconer {

class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept = default;
  Sha256& operator=(Sha256&&) noexcept = default;

  void update(const void* data, size_t size);
  void update(std::string_view text) { update(text.data(), text.size()); }
  template <class T>
  void update(std::span<T> values) {
    update(values.data(), values.size_bytes());
  }
  /// 64 hexadecimal digits, once.
  std::string finish();

  static std::string of(std::string_view text);

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

}  // namespace falconer
