// Attention over a learned prompt: a warp for each line, the slots one after the other. The
// gradients of keys and values are sums over all lines: parts of them side by side, added in order.
#include "ops/cuda/attention_tiles.h"
#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int kDims = static_cast<int>(kLargestHead) / kWarp;  // of a lane
constexpr int kWarps = 8;
constexpr int kSlots = 16;  // of a block that sums over lines
constexpr int kThreads = 256;
constexpr int64_t kMostParts = 32, kRowsOfPart = 16;

/// This lane's dimensions of a head: d = lane, lane + 32, ...
template <class A>
struct LaneHead {
  float x[kDims];
  __device__ LaneHead(const A* head, int64_t size) {
    for (int i = 0; i < kDims; ++i) {
      const int64_t d = static_cast<int64_t>(threadIdx.x % kWarp) + i * kWarp;
      x[i] = d < size ? float(head[d]) : 0.0f;
    }
  }
  __device__ float dot(const A* head, int64_t size) const {
    const LaneHead other(head, size);
    float sum = 0;
    for (int i = 0; i < kDims; ++i) sum += x[i] * other.x[i];
    return warp_sum(sum);
  }
};

/// A score below a soft cap, and its derivative by what it was.
__device__ inline float bounded(float s, float cap) { return cap > 0 ? cap * tanhf(s / cap) : s; }
__device__ inline float slope(float s, float cap) {
  return cap > 0 ? 1 - s / cap * (s / cap) : 1.0f;
}

template <class A>
__global__ void prefix_forward_kernel(HeadsMat<const A> q, HeadsMat<const A> k, HeadsMat<const A> v,
                                      const float* gate, Mat<A> out, float scale, float cap) {
  const int64_t heads = q.groups * q.per_group, line = thread_number() / kWarp;
  if (line >= out.rows * heads) return;
  const int64_t row = line / heads, h = line - row * heads, g = h / q.per_group, size = q.size;
  const LaneHead<A> query(q.head(row, h), size);
  float most = -INFINITY, total = 0, sums[kDims] = {};
  for (int64_t j = 0; j < k.rows.rows; ++j) {
    const float s = bounded(query.dot(k.head(j, g), size) * scale, cap);
    const float larger = fmaxf(most, s), keep = expf(most - larger), p = expf(s - larger);
    const LaneHead<A> value(v.head(j, g), size);
    for (int i = 0; i < kDims; ++i) sums[i] = sums[i] * keep + p * value.x[i];
    total = total * keep + p;
    most = larger;
  }
  for (int i = 0; i < kDims; ++i) {
    const int64_t d = static_cast<int64_t>(threadIdx.x % kWarp) + i * kWarp;
    if (d >= size) continue;
    A& o = out(row, h * size + d);
    o = A(float(o) + gate[h] * sums[i] / total);
  }
}

template <class A>
struct PrefixTask {
  HeadsMat<const A> q, k, v;
  const float* gate;
  Mat<const A> dout;
  Mat<float> delta;
  HeadsMat<A> dq, dk, dv;
  float scale, cap;
  int64_t first_row, rows;  // of this pass
  // In the workspace:
  float* c;        // (N,H)
  float *ds, *gp;  // (rows, H, P): ds_j, and gate p_j
  float* partial;  // (parts, 2, P, G, D)
  float* sums;     // (2, P, G, D)
  int64_t parts;
  __device__ int64_t heads() const { return q.groups * q.per_group; }
  __device__ int64_t slots() const { return k.rows.rows; }
};

/// dq, the correction of delta, and the weights with which a line enters dk and dv.
template <class A>
__global__ void prefix_lines_kernel(PrefixTask<A> t) {
  const int64_t heads = t.heads(), line = thread_number() / kWarp, size = t.q.size;
  if (line >= t.rows * heads) return;
  const int64_t row = t.first_row + line / heads, h = line % heads, g = h / t.q.per_group;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const LaneHead<A> query(t.q.head(row, h), size), d_out(t.dout.row(row) + h * size, size);
  float most = -INFINITY, total = 0, c = 0;
  for (int64_t j = 0; j < t.slots(); ++j) {
    const float s = bounded(query.dot(t.k.head(j, g), size) * t.scale, t.cap);
    const float dp = d_out.dot(t.v.head(j, g), size);
    const float larger = fmaxf(most, s), keep = expf(most - larger), p = expf(s - larger);
    total = total * keep + p;
    c = c * keep + p * dp;
    most = larger;
  }
  c /= total;
  const float gate = t.gate[h];
  float dq[kDims] = {};
  for (int64_t j = 0; j < t.slots(); ++j) {
    const LaneHead<A> key(t.k.head(j, g), size);
    const float s = bounded(query.dot(t.k.head(j, g), size) * t.scale, t.cap);
    const float dp = d_out.dot(t.v.head(j, g), size);
    const float p = expf(s - most) / total, ds = gate * p * (dp - c) * t.scale * slope(s, t.cap);
    for (int i = 0; i < kDims; ++i) dq[i] += ds * key.x[i];
    if (lane != 0) continue;
    t.ds[line * t.slots() + j] = ds;
    t.gp[line * t.slots() + j] = gate * p;
  }
  for (int i = 0; i < kDims; ++i) {
    const int64_t d = static_cast<int64_t>(lane) + i * kWarp;
    if (d < size) t.dq.head(row, h)[d] = A(dq[i]);
  }
  if (lane != 0) return;
  t.c[row * heads + h] = c;
  t.delta(row, h) -= gate * c;
}

/// Block (part, group, 16 slots): threads share out dimensions, and lines where a head is small.
template <class A>
__global__ void prefix_parts_kernel(PrefixTask<A> t) {
  float* room = reinterpret_cast<float*>(shared_memory());
  const int size = static_cast<int>(t.q.size), crew = kThreads / size;
  const int member = static_cast<int>(threadIdx.x) / size;
  const int d = static_cast<int>(threadIdx.x) % size;
  const int64_t group = blockIdx.y, first_slot = static_cast<int64_t>(blockIdx.z) * kSlots;
  const int64_t lines = t.rows * t.q.per_group, share = (lines + t.parts - 1) / t.parts;
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * share, end = min(begin + share, lines);
  float dk[kSlots] = {}, dv[kSlots] = {};
  if (member < crew)
    for (int64_t l = begin + member; l < end; l += crew) {
      const int64_t row = l / t.q.per_group, h = group * t.q.per_group + l % t.q.per_group;
      const float query = float(t.q.head(t.first_row + row, h)[d]);
      const float d_out = float(t.dout(t.first_row + row, h * size + d));
      const int64_t at = (row * t.heads() + h) * t.slots() + first_slot;
      for (int j = 0; j < kSlots && first_slot + j < t.slots(); ++j) {
        dk[j] += t.ds[at + j] * query;
        dv[j] += t.gp[at + j] * d_out;
      }
    }
  for (int which = 0; which < 2; ++which)
    for (int j = 0; j < kSlots && first_slot + j < t.slots(); ++j) {
      __syncthreads();
      room[threadIdx.x] = which == 0 ? dk[j] : dv[j];
      __syncthreads();
      if (member != 0) continue;
      float sum = 0;
      for (int m = 0; m < crew; ++m) sum += room[m * size + d];
      const int64_t part = blockIdx.x;
      t.partial[(((part * 2 + which) * t.slots() + first_slot + j) * t.k.groups + group) * size +
                d] = sum;
    }
}

__global__ void add_prefix_parts_kernel(const float* partial, int64_t parts, int64_t count,
                                        float* sums, bool first) {
  const int64_t i = thread_number();
  if (i >= count) return;
  float sum = first ? 0.0f : sums[i];
  for (int64_t part = 0; part < parts; ++part) sum += partial[part * count + i];
  sums[i] = sum;
}

template <class A>
__global__ void write_prefix_kernel(PrefixTask<A> t) {
  const int64_t i = thread_number(), of_one = t.slots() * t.k.groups * t.k.size;
  if (i >= of_one) return;
  const int64_t d = i % t.k.size, g = i / t.k.size % t.k.groups, j = i / t.k.size / t.k.groups;
  t.dk.head(j, g)[d] = A(t.sums[i]);
  t.dv.head(j, g)[d] = A(t.sums[of_one + i]);
}

/// Memory of the workspace, and how many rows go in one pass.
template <class A>
void plan_room(const PrefixAttentionBackward& a, PrefixTask<A>& t, int64_t& rows) {
  const int64_t slots = a.k.rows.rows, heads = a.q.count(), lines = a.dout.rows * heads;
  const int64_t results = 2 * slots * a.k.groups * a.k.size;
  // The beginning is left to the sums over rows.
  const int64_t reserved = (int64_t{1} << 20) / 4 + 64 * heads;
  float* next = reinterpret_cast<float*>(a.dout.device->workspace()) + reserved;
  int64_t room = static_cast<int64_t>(Device::kWorkspaceBytes) / 4 - reserved - lines - results;
  t.parts = std::clamp<int64_t>(blocks_of(a.dout.rows * a.q.per_group, kRowsOfPart), 1,
                                std::clamp<int64_t>(room / 2 / results, 1, kMostParts));
  room -= t.parts * results;
  rows = std::min(a.dout.rows, room / (2 * heads * slots));
  if (rows < 1) fail_on_device(a.dout.device->name(), "its workspace is too small for this prompt");
  const auto take = [&](int64_t count) {
    float* piece = next;
    next += count;
    return piece;
  };
  t.c = take(lines);
  t.sums = take(results);
  t.partial = take(t.parts * results);
  t.ds = take(rows * heads * slots);
  t.gp = take(rows * heads * slots);
}

template <class A>
void backward(const PrefixAttentionBackward& a) {
  Device* device = a.dout.device;
  PrefixTask<A> t{on_gpu<const A>(a.q),
                  on_gpu<const A>(a.k),
                  on_gpu<const A>(a.v),
                  on_gpu<const float>(a.gate).data,
                  on_gpu<const A>(a.dout),
                  on_gpu<float>(a.delta),
                  on_gpu<A>(a.dq),
                  on_gpu<A>(a.dk),
                  on_gpu<A>(a.dv),
                  a.scale,
                  a.cap};
  int64_t rows = 0;
  plan_room(a, t, rows);
  const int64_t slots = a.k.rows.rows, heads = a.q.count();
  const int64_t results = 2 * slots * a.k.groups * a.k.size;
  for (int64_t row = 0; row < a.dout.rows; row += rows) {
    t.first_row = row;
    t.rows = std::min(rows, a.dout.rows - row);
    launch(device, prefix_lines_kernel<A>,
           {.x = blocks_of(t.rows * heads, kWarps), .threads = kWarps * kWarp}, t);
    launch(device, prefix_parts_kernel<A>,
           {.x = t.parts,
            .y = a.q.groups,
            .z = blocks_of(slots, kSlots),
            .threads = kThreads,
            .shared = kThreads * sizeof(float)},
           t);
    launch(device, add_prefix_parts_kernel, {.x = blocks_of(results, kThreads)}, t.partial, t.parts,
           results, t.sums, row == 0);
  }
  launch(device, write_prefix_kernel<A>, {.x = blocks_of(results / 2, kThreads)}, t);
  if (a.dgate) add_columns({t.c, a.dout.rows, heads, heads, Dtype::kF32, device}, a.dgate);
}

}  // namespace

void prefix_attention_forward(const PrefixAttentionForward& a) {
  FALCONER_CHECK(a.q.size <= kLargestHead);
  with_type(a.out.dtype, [&]<class A>(Type<A>) {
    launch(a.out.device, prefix_forward_kernel<A>,
           {.x = blocks_of(a.out.rows * a.q.count(), kWarps), .threads = kWarps * kWarp},
           on_gpu<const A>(a.q), on_gpu<const A>(a.k), on_gpu<const A>(a.v),
           on_gpu<const float>(a.gate).data, on_gpu<A>(a.out), a.scale, a.cap);
  });
}

void prefix_attention_backward(const PrefixAttentionBackward& a) {
  FALCONER_CHECK(a.q.size <= kLargestHead && a.k.rows.rows > 0);
  with_type(a.dout.dtype, [&]<class A>(Type<A>) { backward<A>(a); });
}

}  // namespace falconer::FALCONER_GPU
