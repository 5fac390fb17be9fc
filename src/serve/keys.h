// API keys: who may ask.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace falconer::serve {

class ApiKeys {
 public:
  ApiKeys() = default;
  /// A key in each line; empty lines and those that begin with '#' are none. Errors: the file cannot be read, others
  /// than its owner may read it and it is a warning, or it has no key, or one that no header can carry.
  static ApiKeys read(const std::string& path);
  explicit ApiKeys(const std::vector<std::string>& keys);

  bool empty() const { return digests_.empty(); }
  /// The number of the key that "Bearer KEY" has; nothing where there is none of that name. Takes the same time whatever
  /// the key is.
  std::optional<size_t> find(std::string_view authorization) const;

 private:
  std::vector<std::string> digests_;
};

}  // namespace falconer::serve
