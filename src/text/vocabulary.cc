#include "text/vocabulary.h"

#include <bit>
#include <cstring>

#include "base/error.h"

namespace falconer {
namespace {

/// Eight bytes at a time, multiplied and folded. Pieces are short, so this must be quick to begin.
uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t kFactor = 0x9E3779B97F4A7C15;
  uint64_t hash = bytes.size() * kFactor;
  while (!bytes.empty()) {
    uint64_t word = 0;
    const size_t taken = std::min<size_t>(8, bytes.size());
    std::memcpy(&word, bytes.data(), taken);
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 32;
    bytes.remove_prefix(taken);
  }
  return hash;
}

}  // namespace

Vocabulary::Vocabulary(int32_t size)
    : places_(static_cast<size_t>(size)),
      slots_(std::bit_ceil(2 * static_cast<size_t>(size) + 2), -1) {}

size_t Vocabulary::slot(std::string_view bytes) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash_bytes(bytes) & mask;
  while (slots_[at] >= 0 && this->bytes(slots_[at]) != bytes) at = (at + 1) & mask;
  return at;
}

void Vocabulary::add(int32_t id, std::string_view bytes) {
  FALCONER_CHECK(id >= 0 && id < size() && !places_[id].there);
  places_[id] = {text_.size(), static_cast<uint32_t>(bytes.size()), true};
  text_.append(bytes);
  int32_t& holder = slots_[slot(bytes)];
  if (holder < 0) holder = id;
}

int32_t Vocabulary::find(std::string_view bytes) const { return slots_[slot(bytes)]; }

}  // namespace falconer
