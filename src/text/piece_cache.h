// The tokens of pieces that were met before. Words repeat, so that nearly all of a text comes from
// here, in one look at one place.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace falconer {

/// Holds pieces of up to kLongest bytes that became up to kMostTokens tokens. Each piece has one
/// place, where a newer one overwrites it, so that the cache never grows. Not for two threads.
class PieceCache {
 public:
  static constexpr size_t kLongest = 16, kMostTokens = 4;

  struct Entry {
    uint64_t first = 0, last = 0;  // bytes of the piece, see key_of
    uint32_t owner = 0;            // whose tokens these are; 0: the place is empty
    uint8_t length = 0, count = 0;
    int32_t ids[kMostTokens] = {};

    std::span<const int32_t> tokens() const { return {ids, count}; }
  };

  PieceCache() : entries_(kPlaces) {}

  /// What `owner` stored for `piece`, 1 .. kLongest bytes long; null where there is nothing.
  const Entry* find(uint32_t owner, std::string_view piece) const {
    const Entry key = key_of(owner, piece);
    const Entry& entry = entries_[place(key)];
    const bool same = entry.first == key.first && entry.last == key.last &&
                      entry.owner == key.owner && entry.length == key.length;
    return same ? &entry : nullptr;
  }

  /// Keeps the tokens of such a piece, unless they are too many.
  void store(uint32_t owner, std::string_view piece, std::span<const int32_t> ids) {
    if (ids.size() > kMostTokens) return;
    Entry entry = key_of(owner, piece);
    entry.count = static_cast<uint8_t>(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) entry.ids[i] = ids[i];
    entries_[place(entry)] = entry;
  }

 private:
  static constexpr int kPlaceBits = 14;  // 640 KiB: more would leave the second-level cache
  static constexpr size_t kPlaces = size_t{1} << kPlaceBits;

  template <class Word>
  static uint64_t word_at(const char* bytes) {
    Word word;
    std::memcpy(&word, bytes, sizeof word);
    return word;
  }

  /// The piece's first and last bytes; with its length they are all of it. They overlap where it is
  /// shorter than two words, because nothing behind its end may be read.
  static Entry key_of(uint32_t owner, std::string_view piece) {
    Entry key;
    const char* bytes = piece.data();
    const size_t n = piece.size();
    key.owner = owner;
    key.length = static_cast<uint8_t>(n);
    if (n >= 8) {
      key.first = word_at<uint64_t>(bytes);
      key.last = word_at<uint64_t>(bytes + n - 8);
    } else if (n >= 4) {
      key.first = word_at<uint32_t>(bytes);
      key.last = word_at<uint32_t>(bytes + n - 4);
    } else {
      key.first = word_at<uint8_t>(bytes) | word_at<uint8_t>(bytes + n / 2) << 8;
      key.last = word_at<uint8_t>(bytes + n - 1);
    }
    return key;
  }

  static size_t place(const Entry& key) {
    const uint64_t mixed = (key.first ^ (uint64_t{key.owner} << 56)) * 0x9E3779B97F4A7C15 ^
                           (key.last + key.length) * 0xC2B2AE3D27D4EB4F;
    return (mixed ^ mixed >> 29) * 0x165667B19E3779F9 >> (64 - kPlaceBits);
  }

  std::vector<Entry> entries_;
};

}  // namespace falconer
