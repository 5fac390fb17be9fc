// The tokens of a vocabulary: the bytes of each, and which token has given bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// Token bytes by id, and ids by bytes. Ids may leave holes.
class Vocabulary {
 public:
  /// Room for ids up to `size` - 1.
  explicit Vocabulary(int32_t size);

  /// Defines a token. Where two tokens have the same bytes, find() gives the first.
  void add(int32_t id, std::string_view bytes);

  int32_t size() const { return static_cast<int32_t>(places_.size()); }
  bool has(int32_t id) const { return id >= 0 && id < size() && places_[id].there; }
  std::string_view bytes(int32_t id) const {
    return {text_.data() + places_[id].begin, places_[id].length};
  }
  /// The token with these bytes; -1 where there is none.
  int32_t find(std::string_view bytes) const;

 private:
  struct Place {
    uint64_t begin = 0;
    uint32_t length = 0;
    bool there = false;
  };
  /// Where in slots_ the token is, or would go.
  size_t slot(std::string_view bytes) const;

  std::string text_;
  std::vector<Place> places_;
  std::vector<int32_t> slots_;  // open addressing, a power of two, at most half full
};

}  // namespace falconer
