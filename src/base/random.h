// Random numbers that are counted, not drawn: Philox4x32-10, a function of a key and a counter
// (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). Nothing has state, so
// resume needs no generator state, masks are recomputed instead of kept, and CPU and GPU agree.
#pragma once

#include <array>
#include <cstdint>

namespace falconer {

using PhiloxBlock = std::array<uint32_t, 4>;

/// Ten rounds over `counter` under `key`: four independent uniform 32-bit words.
constexpr PhiloxBlock philox(PhiloxBlock counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// What a stream of numbers is for. Two purposes never share numbers, even at the same position.
enum class RandomPurpose : uint32_t {
  kInit = 1,
  kShuffle = 2,
  kDropout = 3,
  kSample = 4,
  kData = 5,
  kTest = 6,
  kRound = 7
};

/// A stream of numbers named by (seed, purpose, a, b); element i is a pure function of the name and
/// i. `a` and `b` are 32-bit coordinates such as step and site.
class RandomStream {
 public:
  constexpr RandomStream(uint64_t seed, RandomPurpose purpose, uint32_t a = 0, uint32_t b = 0)
      : key_{static_cast<uint32_t>(seed),
             static_cast<uint32_t>(seed >> 32) ^ (static_cast<uint32_t>(purpose) << 24)},
        a_(a),
        b_(b) {}

  /// Block number i: words 4i .. 4i+3 of the stream.
  constexpr PhiloxBlock block(uint64_t i) const { return philox(counter(i), key_); }
  /// What block i is computed from, for kernels that compute many blocks at once.
  constexpr PhiloxBlock counter(uint64_t i) const {
    i += first_block_;
    return {static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), a_, b_};
  }
  /// The same numbers, counted from block `first` on.
  constexpr RandomStream from_block(uint64_t first) const {
    RandomStream later = *this;
    later.first_block_ += first;
    return later;
  }
  constexpr const std::array<uint32_t, 2>& key() const { return key_; }
  constexpr uint32_t word(uint64_t i) const { return block(i / 4)[i % 4]; }
  /// Uniform in [0, 1), 24 bits: exactly representable in a float.
  constexpr float uniform(uint64_t i) const { return static_cast<float>(word(i) >> 8) * 0x1p-24f; }
  /// Standard normal by Box and Muller; element i uses words 2i and 2i+1.
  float normal(uint64_t i) const;
  /// Uniform integer in [0, n), n below 2^32, from 64 bits; element i uses words 2i and 2i+1.
  constexpr uint64_t below(uint64_t i, uint64_t n) const {
    const uint64_t high = word(2 * i), low = word(2 * i + 1);
    return (high * n + ((low * n) >> 32)) >> 32;
  }

 private:
  std::array<uint32_t, 2> key_;
  uint32_t a_, b_;
  uint64_t first_block_ = 0;
};

}  // namespace falconer
