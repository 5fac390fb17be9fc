// Causal attention, forward: a block holds a tile of lines and walks over its keys, with a softmax
// that goes along (Dao et al., FlashAttention, 2022). Few queries with many keys, as in decoding,
// are cut into chunks of keys that are joined afterwards; a chunk has the same keys whatever is
// decoded beside it.
#include "ops/cuda/attention_tiles.h"
#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int64_t kChunkKeys = 256;  // of a part
constexpr int64_t kFewQueries = 4;   // of a span, for parts

/// Per part, line and dimension: sums of p v, and their softmax's largest score and sum.
struct Parts {
  float *out, *most, *total;
  int64_t lines;  // rows * heads
};

template <class A>
struct ForwardTask {
  HeadsMat<const A> q, k, v;
  const float* alibi;
  Mat<A> out;
  Mat<float> lse;
  SpanTiles tiles;
  float scale, cap;
  int64_t window;
  bool wide, split;
  const int32_t* pages;
  Parts parts;
};

template <class A>
size_t forward_bytes(int tile, int width) {
  const size_t b = static_cast<size_t>(tile), w = static_cast<size_t>(width);
  return 3 * aligned(b * (w + kGap<A>)*sizeof(A)) + aligned(b * (b + kResultGap) * 4) +
         aligned(b * (b + kGap<A>)*sizeof(A)) + aligned(b * (w + kResultGap) * 4) +
         2 * aligned(b * 4);
}

/// One row of scores to probabilities, by one warp; rescales what was summed before. Of the tile's keys
/// those from `hidden` on and before `visible` are seen.
template <int kTile, class A>
__device__ void softmax_row(const float* scores, A* p, float* out, int width, int64_t hidden,
                            int64_t visible, float slope, int64_t first_key, float scale, float cap,
                            float& most, float& total) {
  constexpr int kEach = (kTile + kWarp - 1) / kWarp;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  float s[kEach], largest = most;
  for (int e = 0; e < kEach; ++e) {
    const int j = lane + e * kWarp;
    s[e] = -INFINITY;
    if (j >= kTile || j >= visible || j < hidden) continue;
    const float bias = slope != 0 ? alibi_bias(slope, first_key + j) : 0.0f;
    s[e] = capped((scores[j] + bias) * scale, cap);
    largest = fmaxf(largest, s[e]);
  }
  largest = warp_max(largest);
  const bool none = largest == -INFINITY;  // no key so far
  const float keep = none ? 1.0f : expf(most - largest);
  float sum = 0;
  for (int e = 0; e < kEach; ++e) {
    const int j = lane + e * kWarp;
    if (j >= kTile) continue;
    const bool on = j < visible && j >= hidden && !none;
    const float x = on ? expf(s[e] - largest) : 0.0f;
    p[j] = A(x);
    sum += x;
  }
  for (int d = lane; d < width; d += kWarp) out[d] *= keep;
  sum = warp_sum(sum);
  __syncwarp();  // all lanes have read `most` and `total`
  if (lane != 0) return;
  most = largest;
  total = total * keep + sum;
}

template <class A, int kTile>
__global__ void __launch_bounds__(kAttentionThreads) forward_kernel(ForwardTask<A> t) {
  const FoundTile found = find_tile(t.tiles, static_cast<int32_t>(blockIdx.x));
  const Lines lines{found.span, static_cast<int64_t>(blockIdx.y), t.q.per_group, t.window};
  const int64_t first = found.tile * kTile, size = t.q.size;
  const int64_t count = min(lines.count() - first, static_cast<int64_t>(kTile));
  const int width = padded(size), stride = width + kGap<A>, result = width + kResultGap;
  const int s_stride = kTile + kResultGap, p_stride = kTile + kGap<A>;
  Carver memory{shared_memory()};
  A* q = memory.take<A>(kTile * stride);
  A* k = memory.take<A>(kTile * stride);
  A* v = memory.take<A>(kTile * stride);
  float* s = memory.take<float>(kTile * s_stride);
  A* p = memory.take<A>(kTile * p_stride);
  float* out = memory.take<float>(kTile * result);
  float* most = memory.take<float>(kTile);
  float* total = memory.take<float>(kTile);

  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
  fill_rows<A, kTile>(q, width, count, size, t.wide,
                      [&](int i) { return t.q.head(lines.row(first + i), lines.head(first + i)); });
  for (int i = thread; i < kTile * result; i += kAttentionThreads) out[i] = 0;
  for (int i = thread; i < kTile; i += kAttentionThreads) {
    most[i] = -INFINITY;
    total[i] = 0;
  }
  const int64_t seen = lines.seen(first + count - 1);
  const int64_t chunk = t.split ? static_cast<int64_t>(blockIdx.z) * kChunkKeys : 0;
  const int64_t end = t.split ? min(seen, chunk + kChunkKeys) : seen;
  // Keys that a window hides from all lines are passed over, in whole tiles.
  const int64_t hidden = lines.keys(first).first / kTile * kTile;
  const int64_t begin = chunk > hidden ? chunk : hidden;
  for (int64_t j = begin; j < end; j += kTile) {
    const auto row_of_key = [&](int i) { return key_row(found.span, t.pages, j + i); };
    const int64_t keys = min(end - j, static_cast<int64_t>(kTile));
    __syncthreads();  // the tiles before are done with
    fill_rows<A, kTile>(k, width, keys, size, t.wide,
                        [&](int i) { return t.k.head(row_of_key(i), lines.group); });
    fill_rows<A, kTile>(v, width, keys, size, t.wide,
                        [&](int i) { return t.v.head(row_of_key(i), lines.group); });
    __syncthreads();
    block_product<false, true>(q, stride, k, stride, s, s_stride, kTile, kTile, width, false);
    __syncthreads();
    for (int i = warp; i < kTile; i += kAttentionThreads / kWarp) {
      // Lines past the last see what the last sees, and are not written.
      const int64_t line = first + (i < count ? i : count - 1);
      const float slope = t.alibi != nullptr ? t.alibi[lines.head(line)] : 0.0f;
      const SeenKeys own = lines.keys(line);
      softmax_row<kTile>(s + i * s_stride, p + i * p_stride, out + i * result, width, own.first - j,
                         min(own.end, end) - j, slope, j, t.scale, t.cap, most[i], total[i]);
    }
    __syncthreads();
    block_product<false, false>(p, p_stride, v, stride, out, result, kTile, width, kTile, true);
  }
  __syncthreads();
  for (int i = warp; i < count; i += kAttentionThreads / kWarp) {
    const int64_t row = lines.row(first + i), head = lines.head(first + i);
    const int lane = thread % kWarp;
    if (t.split) {
      const int64_t at = static_cast<int64_t>(blockIdx.z) * t.parts.lines +
                         row * t.q.groups * t.q.per_group + head;
      for (int d = lane; d < size; d += kWarp) t.parts.out[at * size + d] = out[i * result + d];
      if (lane == 0) t.parts.most[at] = most[i];
      if (lane == 0) t.parts.total[at] = total[i];
      continue;
    }
    for (int d = lane; d < size; d += kWarp)
      t.out(row, head * size + d) = A(out[i * result + d] / total[i]);
    if (lane == 0 && t.lse) t.lse(row, head) = most[i] + logf(total[i]);
  }
}

/// Joins the parts of a tile's lines: a warp for each line.
template <class A>
__global__ void join_kernel(ForwardTask<A> t, int64_t parts, int tile) {
  const FoundTile found = find_tile(t.tiles, static_cast<int32_t>(blockIdx.x));
  const Lines lines{found.span, static_cast<int64_t>(blockIdx.y), t.q.per_group, t.window};
  const int64_t first = found.tile * tile, size = t.q.size;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  for (int64_t i = threadIdx.x / kWarp; i < tile && first + i < lines.count();
       i += blockDim.x / kWarp) {
    const int64_t row = lines.row(first + i), head = lines.head(first + i);
    const int64_t line = row * t.q.groups * t.q.per_group + head;
    float most = -INFINITY, total = 0;
    for (int64_t part = 0; part < parts; ++part)
      most = fmaxf(most, t.parts.most[part * t.parts.lines + line]);
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t at = part * t.parts.lines + line;
      if (t.parts.total[at] != 0) total += t.parts.total[at] * expf(t.parts.most[at] - most);
    }
    for (int64_t d = lane; d < size; d += kWarp) {
      float sum = 0;
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t at = part * t.parts.lines + line;
        if (t.parts.total[at] != 0)
          sum += t.parts.out[at * size + d] * expf(t.parts.most[at] - most);
      }
      t.out(row, head * size + d) = A(sum / total);
    }
    if (lane == 0 && t.lse) t.lse(row, head) = most + logf(total);
  }
}

/// A warp for each row and head.
template <class A>
__global__ void delta_kernel(Mat<const A> out, Mat<const A> dout, Mat<float> delta) {
  const int64_t number = thread_number() / kWarp;
  if (number >= delta.rows * delta.cols) return;
  const int64_t row = number / delta.cols, head = number - row * delta.cols;
  const int64_t size = out.cols / delta.cols;
  float sum = 0;
  for (int64_t d = threadIdx.x % kWarp; d < size; d += kWarp)
    sum += float(out(row, head * size + d)) * float(dout(row, head * size + d));
  sum = warp_sum(sum);
  if (threadIdx.x % kWarp == 0) delta(row, head) = sum;
}

/// Parts of the keys where there are few queries and many keys, else 1; `parts` gets its memory.
int64_t split_keys(const AttentionForward& a, Parts& parts) {
  int64_t keys = 0;
  for (const AttentionSpan& span : a.spans) {
    if (span.q_count > kFewQueries) return 1;
    keys = std::max(keys, span.kv_count);
  }
  const int64_t count = blocks_of(keys, kChunkKeys);
  parts.lines = a.out.rows * a.q.count();
  const int64_t floats = count * parts.lines * (a.q.size + 2);
  if (count <= 1 || floats * 4 > static_cast<int64_t>(Device::kWorkspaceBytes)) return 1;
  parts.out = reinterpret_cast<float*>(a.out.device->workspace());
  parts.most = parts.out + count * parts.lines * a.q.size;
  parts.total = parts.most + count * parts.lines;
  return count;
}

const int32_t* staged_pages(Device* device, std::span<const int32_t> pages) {
  if (pages.empty()) return nullptr;
  return static_cast<const int32_t*>(device->staged(pages.data(), pages.size_bytes()));
}

template <class A>
void forward(const AttentionForward& a) {
  Device* device = a.out.device;
  int64_t lines = 0;
  for (const AttentionSpan& span : a.spans) lines = std::max(lines, span.q_count * a.q.per_group);
  const int width = padded(a.q.size);
  const auto bytes_of = [&](int tile) { return forward_bytes<A>(tile, width); };
  with_tile(device, lines, bytes_of, [&](auto tile) {
    constexpr int kTile = decltype(tile)::value;
    int64_t total = 0;
    const SpanTiles tiles = stage_tiles(
        device, a.spans,
        [&](const AttentionSpan& span) { return blocks_of(span.q_count * a.q.per_group, kTile); },
        total);
    ForwardTask<A> task{on_gpu<const A>(a.q),
                        on_gpu<const A>(a.k),
                        on_gpu<const A>(a.v),
                        on_gpu<const float>(a.alibi).data,
                        on_gpu<A>(a.out),
                        on_gpu<float>(a.lse),
                        tiles,
                        a.scale,
                        a.cap,
                        a.window,
                        wide_heads({a.q, a.k, a.v}),
                        false,
                        staged_pages(device, a.pages),
                        {}};
    const int64_t parts = split_keys(a, task.parts);
    task.split = parts > 1;
    launch(device, forward_kernel<A, kTile>,
           {.x = total,
            .y = a.q.groups,
            .z = parts,
            .threads = kAttentionThreads,
            .shared = bytes_of(kTile)},
           task);
    if (task.split)
      launch(device, join_kernel<A>, {.x = total, .y = a.q.groups}, task, parts, kTile);
  });
}

}  // namespace

void attention_forward(const AttentionForward& a) {
  FALCONER_CHECK(a.q.size <= kLargestHead);
  with_type(a.out.dtype, [&]<class A>(Type<A>) { forward<A>(a); });
}

void attention_delta(const AttentionDelta& a) {
  with_type(a.out.dtype, [&]<class A>(Type<A>) {
    launch(a.out.device, delta_kernel<A>, {.x = blocks_of(a.delta.size(), 8), .threads = 8 * kWarp},
           on_gpu<const A>(a.out), on_gpu<const A>(a.dout), on_gpu<float>(a.delta));
  });
}

}  // namespace falconer::FALCONER_GPU
