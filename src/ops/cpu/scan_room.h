// Memory of the state-space scan: what the heads of a group share of a chunk, and what its gradients are summed in.
#pragma once

#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <vector>

#include "ops/scan.h"

namespace falconer::cpu {

/// Rows are padded to whole vectors of any instruction set.
constexpr int64_t padded_row(int64_t n) { return (n + 15) / 16 * 16; }

struct ScanSizes {
  int64_t heads, groups, size, width;  // H, G, P, S

  template <class Args>
  explicit ScanSizes(const Args& a)
      : heads(a.dt.cols),
        groups(a.groups),
        size(a.x.cols / a.dt.cols),
        width(a.b.cols / a.groups) {}
  int64_t per_group() const { return heads / groups; }
  int64_t row() const { return padded_row(size); }
  int64_t wide() const { return padded_row(width); }
  /// Numbers of a head's state in a memory, and in rows that are padded.
  int64_t numbers() const { return size * width; }
  int64_t state() const { return row() * width; }
};

/// Floats of this thread or call, aligned, handed out one behind the other.
class FloatRoom {
 public:
  void reserve(int64_t floats) {
    if (floats > size_) store_ = hwy::AllocateAligned<float>(static_cast<size_t>(size_ = floats));
    used_ = 0;
  }
  float* take(int64_t floats) {
    float* const at = store_.get() + used_;
    used_ += padded_row(floats);
    FALCONER_CHECK(used_ <= size_);
    return at;
  }

 private:
  hwy::AlignedFreeUniquePtr<float[]> store_;
  int64_t size_ = 0, used_ = 0;
};

/// Rows begin .. begin+count-1 of x and so on are a chunk.
struct ScanRows {
  int64_t begin, count;
};

/// Chunks of a sequence, or of short ones together, between which threads wait for each other: they bound the room.
constexpr int64_t kScanRound = 8;

/// Some chunks of a span: `chunks` of them from `first` on, counted in it. The first of them is `entry` of the rows of
/// entries, and `room` of a round's chunks.
struct ScanSegment {
  const StateSpan* span;
  int64_t first, chunks, entry, room;

  ScanRows rows(int64_t chunk) const {
    const int64_t done = (first + chunk) * kScanChunk;
    return {span->begin + done, std::min(kScanChunk, span->count - done)};
  }
  bool begins() const { return first == 0; }
  bool ends() const { return (first + chunks) * kScanChunk >= span->count; }
};

/// What is computed together: segments of different spans, and the rows of their chunks.
struct ScanRound {
  std::vector<ScanSegment> segments;
  std::vector<ScanRows> chunks;

  void add(const ScanSegment& segment) {
    segments.push_back(segment);
    for (int64_t i = 0; i < segment.chunks; ++i) chunks.push_back(segment.rows(i));
  }
};

/// Calls work(round) until all spans that are `wanted` are done, each from its first chunk on, or `backwards`. A span
/// that takes many rounds is alone in all but its last.
template <class Wanted, class Work>
void for_rounds(std::span<const StateSpan> spans, bool backwards, Wanted&& wanted, Work&& work) {
  ScanRound round;
  int64_t entry = 0;
  const auto flush = [&] {
    if (!round.segments.empty()) work(round);
    round = {};
  };
  for (const StateSpan& span : spans) {
    const int64_t all = scan_chunks({&span, 1});
    for (int64_t done = 0; wanted(span);) {
      const int64_t count = std::min(kScanRound, all - done);
      if (std::ssize(round.chunks) + count > kScanRound) flush();
      const int64_t first = backwards ? all - done - count : done;
      round.add({&span, first, count, entry + first, std::ssize(round.chunks)});
      done += count;
      if (done == all) break;
    }
    entry += all;
  }
  flush();
}

/// B and C of a group in a chunk: (chunk, S) each, C' (S, chunk) and B C' (chunk, chunk), in f32.
struct GroupChunk {
  float *b, *c, *c_turned, *scores;
  static int64_t floats(const ScanSizes& s) {
    return kScanChunk * (2 * s.wide() + s.width + kScanChunk);
  }
  GroupChunk(float* room, const ScanSizes& s)
      : b(room),
        c(b + kScanChunk * s.wide()),
        c_turned(c + kScanChunk * s.wide()),
        scores(c_turned + kScanChunk * s.width) {}
};

/// Sums over some heads of a group in a chunk: what (s, t) of B C' gets, then dB' and dC' of what goes through states,
/// (S, chunk) each.
struct GroupSums {
  float *scores, *db_turned, *dc_turned;
  static int64_t floats(const ScanSizes& s) { return kScanChunk * (kScanChunk + 2 * s.width); }
  GroupSums(float* room, const ScanSizes& s)
      : scores(room),
        db_turned(scores + kScanChunk * kScanChunk),
        dc_turned(db_turned + kScanChunk * s.width) {}
};

}  // namespace falconer::cpu
