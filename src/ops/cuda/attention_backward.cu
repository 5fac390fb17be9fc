// Causal attention, backward, without atomic sums, so that the same seed gives the same bytes: dq by
// tiles of lines, dk and dv by tiles of keys. The lines that see a tile of keys are shared out over
// parts, which are added in order.
#include "ops/cuda/attention_tiles.h"
#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int64_t kMostParts = 16;

template <class A>
struct BackwardTask {
  HeadsMat<const A> q, k, v;
  const float* alibi;
  Mat<const A> dout;
  Mat<const float> lse, delta;
  HeadsMat<A> dq, dk, dv;
  SpanTiles tiles;
  float scale, cap;
  int64_t window;
  bool add_dq, wide;
  int64_t parts;
  float* partial;  // (parts, 2, rows of k, G, D): dk, then dv

  __device__ float* partial_row(int64_t part, int which, int64_t row, int64_t group) const {
    return partial + (((part * 2 + which) * k.rows.rows + row) * k.groups + group) * k.size;
  }
};

template <class A>
size_t backward_bytes(int tile, int width, int results) {
  const size_t b = static_cast<size_t>(tile), w = static_cast<size_t>(width);
  return 4 * aligned(b * (w + kGap<A>)*sizeof(A)) + 2 * aligned(b * (b + kResultGap) * 4) +
         2 * aligned(b * (b + kGap<A>)*sizeof(A)) +
         static_cast<size_t>(results) * aligned(b * (w + kResultGap) * 4) + 3 * aligned(b * 4);
}

/// What both kernels have in shared memory.
template <class A, int kTile>
struct Room {
  int width, stride;
  A *q, *dout, *k, *v;
  float *s, *dp;
  A *p, *ds;
  float *lse, *delta, *slope;
  static constexpr int kScoreStride = kTile + kResultGap, kProbStride = kTile + kGap<A>;

  __device__ Room(Carver& memory, int64_t size)
      : width(padded(size)),
        stride(width + kGap<A>),
        q(memory.take<A>(kTile * stride)),
        dout(memory.take<A>(kTile * stride)),
        k(memory.take<A>(kTile * stride)),
        v(memory.take<A>(kTile * stride)),
        s(memory.take<float>(kTile * kScoreStride)),
        dp(memory.take<float>(kTile * kScoreStride)),
        p(memory.take<A>(kTile * kProbStride)),
        ds(memory.take<A>(kTile * kProbStride)),
        lse(memory.take<float>(kTile)),
        delta(memory.take<float>(kTile)),
        slope(memory.take<float>(kTile)) {}

  __device__ void fill_lines(const BackwardTask<A>& t, const Lines& lines, int64_t first,
                             int64_t count) {
    const int64_t size = t.q.size;
    const auto row = [&](int i) { return lines.row(first + i); };
    const auto head = [&](int i) { return lines.head(first + i); };
    fill_rows<A, kTile>(q, width, count, size, t.wide,
                        [&](int i) { return t.q.head(row(i), head(i)); });
    fill_rows<A, kTile>(dout, width, count, size, t.wide,
                        [&](int i) { return t.dout.row(row(i)) + head(i) * size; });
    for (int i = static_cast<int>(threadIdx.x); i < count; i += kAttentionThreads) {
      lse[i] = t.lse(row(i), head(i));
      delta[i] = t.delta(row(i), head(i));
      slope[i] = t.alibi != nullptr ? t.alibi[head(i)] : 0.0f;
    }
  }

  __device__ void fill_keys(const BackwardTask<A>& t, const Lines& lines, int64_t first,
                            int64_t count) {
    const auto row = [&](int i) { return lines.span.kv_begin + first + i; };
    fill_rows<A, kTile>(k, width, count, t.q.size, t.wide,
                        [&](int i) { return t.k.head(row(i), lines.group); });
    fill_rows<A, kTile>(v, width, count, t.q.size, t.wide,
                        [&](int i) { return t.v.head(row(i), lines.group); });
  }

  /// p and ds = p (dp - delta) scale of the lines and keys that are here; 0 where a line does not
  /// see a key.
  __device__ void probabilities(const BackwardTask<A>& t, const Lines& lines, int64_t first_line,
                                int64_t count, int64_t first_key) {
    block_product<false, true>(q, stride, k, stride, s, kScoreStride, kTile, kTile, width, false);
    block_product<false, true>(dout, stride, v, stride, dp, kScoreStride, kTile, kTile, width,
                               false);
    __syncthreads();
    for (int e = static_cast<int>(threadIdx.x); e < kTile * kTile; e += kAttentionThreads) {
      const int i = e / kTile, j = e % kTile;
      float prob = 0, slope_of_score = 0;
      const SeenKeys seen = lines.keys(first_line + i);
      if (i < count && first_key + j < seen.end && first_key + j >= seen.first) {
        const float bias = slope[i] != 0 ? alibi_bias(slope[i], first_key + j) : 0.0f;
        const float score = capped((s[i * kScoreStride + j] + bias) * t.scale, t.cap);
        prob = expf(score - lse[i]);
        slope_of_score = prob * (dp[i * kScoreStride + j] - delta[i]) * t.scale;
        if (t.cap > 0) slope_of_score *= 1.0f - score / t.cap * (score / t.cap);
      }
      p[i * kProbStride + j] = A(prob);
      ds[i * kProbStride + j] = A(slope_of_score);
    }
    __syncthreads();
  }
};

template <class A, int kTile>
__global__ void __launch_bounds__(kAttentionThreads) dq_kernel(BackwardTask<A> t) {
  const FoundTile found = find_tile(t.tiles, static_cast<int32_t>(blockIdx.x));
  const Lines lines{found.span, static_cast<int64_t>(blockIdx.y), t.q.per_group, t.window};
  const int64_t first = found.tile * kTile;
  const int64_t count = min(lines.count() - first, static_cast<int64_t>(kTile));
  Carver memory{shared_memory()};
  Room<A, kTile> room(memory, t.q.size);
  const int result = room.width + kResultGap, thread = static_cast<int>(threadIdx.x);
  float* dq = memory.take<float>(kTile * result);
  room.fill_lines(t, lines, first, count);
  for (int i = thread; i < kTile * result; i += kAttentionThreads) dq[i] = 0;
  const int64_t seen = lines.seen(first + count - 1);
  for (int64_t j = lines.keys(first).first / kTile * kTile; j < seen; j += kTile) {
    __syncthreads();
    room.fill_keys(t, lines, j, min(seen - j, static_cast<int64_t>(kTile)));
    __syncthreads();
    room.probabilities(t, lines, first, count, j);
    block_product<false, false>(room.ds, room.kProbStride, room.k, room.stride, dq, result, kTile,
                                room.width, kTile, true);
  }
  __syncthreads();
  for (int e = thread; e < count * t.q.size; e += kAttentionThreads) {
    const int64_t i = e / t.q.size, d = e - i * t.q.size;
    A& out = t.dq.head(lines.row(first + i), lines.head(first + i))[d];
    out = A((t.add_dq ? float(out) : 0.0f) + dq[i * result + d]);
  }
}

template <class A, int kTile>
__global__ void __launch_bounds__(kAttentionThreads) dkv_kernel(BackwardTask<A> t) {
  const FoundTile found = find_tile(t.tiles, static_cast<int32_t>(blockIdx.x));
  const Lines lines{found.span, static_cast<int64_t>(blockIdx.y), t.q.per_group, t.window};
  const int64_t first_key = found.tile * kTile, part = blockIdx.z;
  const int64_t keys = min(found.span.kv_count - first_key, static_cast<int64_t>(kTile));
  Carver memory{shared_memory()};
  Room<A, kTile> room(memory, t.q.size);
  const int result = room.width + kResultGap, thread = static_cast<int>(threadIdx.x);
  float* dk = memory.take<float>(kTile * result);
  float* dv = memory.take<float>(kTile * result);
  room.fill_keys(t, lines, first_key, keys);
  for (int i = thread; i < kTile * result; i += kAttentionThreads) dk[i] = dv[i] = 0;
  // Tiles of lines by turns: late ones and early ones for every part.
  const int64_t tile = lines.first_that_sees(first_key) / kTile + part;
  const int64_t end_line = lines.end_of_those_that_see(first_key + keys - 1);
  for (int64_t first = tile * kTile; first < end_line; first += t.parts * kTile) {
    const int64_t count = min(lines.count() - first, static_cast<int64_t>(kTile));
    __syncthreads();
    room.fill_lines(t, lines, first, count);
    __syncthreads();
    room.probabilities(t, lines, first, count, first_key);
    block_product<true, false>(room.p, room.kProbStride, room.dout, room.stride, dv, result, kTile,
                               room.width, kTile, true);
    block_product<true, false>(room.ds, room.kProbStride, room.q, room.stride, dk, result, kTile,
                               room.width, kTile, true);
  }
  __syncthreads();
  for (int e = thread; e < keys * t.q.size; e += kAttentionThreads) {
    const int64_t i = e / t.q.size, d = e - i * t.q.size;
    const int64_t row = found.span.kv_begin + first_key + i;
    if (t.parts > 1) {
      t.partial_row(part, 0, row, lines.group)[d] = dk[i * result + d];
      t.partial_row(part, 1, row, lines.group)[d] = dv[i * result + d];
    } else {
      t.dk.head(row, lines.group)[d] = A(dk[i * result + d]);
      t.dv.head(row, lines.group)[d] = A(dv[i * result + d]);
    }
  }
}

template <class A>
__global__ void add_parts_kernel(BackwardTask<A> t, int tile) {
  const FoundTile found = find_tile(t.tiles, static_cast<int32_t>(blockIdx.x));
  const int64_t group = blockIdx.y, first = found.tile * tile;
  const int64_t keys = min(found.span.kv_count - first, static_cast<int64_t>(tile));
  for (int64_t e = threadIdx.x; e < keys * t.q.size; e += blockDim.x) {
    const int64_t i = e / t.q.size, d = e - i * t.q.size;
    const int64_t row = found.span.kv_begin + first + i;
    float dk = 0, dv = 0;
    for (int64_t part = 0; part < t.parts; ++part) {
      dk += t.partial_row(part, 0, row, group)[d];
      dv += t.partial_row(part, 1, row, group)[d];
    }
    t.dk.head(row, group)[d] = A(dk);
    t.dv.head(row, group)[d] = A(dv);
  }
}

/// Parts of the lines, so that there is a block for every processor and some more.
int64_t parts_of(const AttentionBackward& a, int64_t tiles, int64_t line_tiles) {
  const int64_t blocks = std::max<int64_t>(1, tiles * a.q.groups);
  const int64_t wanted = blocks_of(4 * a.dout.device->processors(), blocks);
  const int64_t bytes = 2 * a.k.rows.rows * a.k.groups * a.k.size * 4;
  const int64_t room = static_cast<int64_t>(Device::kWorkspaceBytes) / std::max<int64_t>(1, bytes);
  return std::clamp<int64_t>(wanted, 1,
                             std::max<int64_t>(1, std::min({kMostParts, room, line_tiles})));
}

template <class A>
BackwardTask<A> task_of(const AttentionBackward& a) {
  const View out = a.dout;
  const Heads plain{out, a.q.groups, a.q.per_group, a.q.per_group * a.q.size, a.q.size};
  return {on_gpu<const A>(a.q),
          on_gpu<const A>(a.k),
          on_gpu<const A>(a.v),
          on_gpu<const float>(a.alibi).data,
          on_gpu<const A>(a.dout),
          on_gpu<const float>(a.lse),
          on_gpu<const float>(a.delta),
          on_gpu<A>(a.dq),
          on_gpu<A>(a.dk),
          on_gpu<A>(a.dv),
          {},
          a.scale,
          a.cap,
          a.window,
          a.add_dq,
          wide_heads({a.q, a.k, a.v, plain}),
          1,
          nullptr};
}

template <class A>
void backward(const AttentionBackward& a) {
  Device* device = a.dout.device;
  const int width = padded(a.q.size);
  int64_t most = 0;
  for (const AttentionSpan& span : a.spans)
    most = std::max(most, std::max(span.q_count * a.q.per_group, span.kv_count));
  const auto bytes_of = [&](int tile) { return backward_bytes<A>(tile, width, 2); };
  with_tile(device, most, bytes_of, [&](auto tile) {
    constexpr int kTile = decltype(tile)::value;
    BackwardTask<A> task = task_of<A>(a);
    int64_t total = 0;
    task.tiles = stage_tiles(
        device, a.spans,
        [&](const AttentionSpan& span) { return blocks_of(span.q_count * a.q.per_group, kTile); },
        total);
    launch(device, dq_kernel<A, kTile>,
           {.x = total,
            .y = a.q.groups,
            .threads = kAttentionThreads,
            .shared = backward_bytes<A>(kTile, width, 1)},
           task);
    task.tiles = stage_tiles(
        device, a.spans, [&](const AttentionSpan& span) { return blocks_of(span.kv_count, kTile); },
        total);
    task.parts = parts_of(a, total, blocks_of(most, kTile));
    if (task.parts > 1) task.partial = reinterpret_cast<float*>(device->workspace());
    launch(device, dkv_kernel<A, kTile>,
           {.x = total,
            .y = a.q.groups,
            .z = task.parts,
            .threads = kAttentionThreads,
            .shared = bytes_of(kTile)},
           task);
    if (task.parts > 1)
      launch(device, add_parts_kernel<A>, {.x = total, .y = a.q.groups}, task, kTile);
  });
}

}  // namespace

void attention_backward(const AttentionBackward& a) {
  FALCONER_CHECK(a.q.size <= kLargestHead);
  with_type(a.dout.dtype, [&]<class A>(Type<A>) { backward<A>(a); });
}

}  // namespace falconer::FALCONER_GPU
