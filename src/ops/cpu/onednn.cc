#include "ops/cpu/onednn.h"

#include <hwy/aligned_allocator.h>
#include <omp.h>

#include <bit>
#include <dnnl.hpp>
#include <list>
#include <mutex>
#include <unordered_map>

#include "base/error.h"

namespace falconer::cpu::onednn {
namespace {

using dnnl::memory;

memory::data_type type_of(Dtype dtype) {
  FALCONER_CHECK(dtype == Dtype::kF32 || dtype == Dtype::kBF16);
  return dtype == Dtype::kF32 ? memory::data_type::f32 : memory::data_type::bf16;
}

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

/// All that a primitive depends on.
struct Key {
  int64_t m, n, k, a_stride, b_stride, c_stride;
  float scale;
  uint8_t a_transposed, b_transposed, add, bias, bf16, c_bf16;
  bool operator==(const Key&) const = default;
};

struct HashKey {
  size_t operator()(const Key& key) const {
    uint64_t hash = 0;
    const auto mix = [&](uint64_t value) {
      hash = (hash ^ value) * 0x9E3779B97F4A7C15;
      hash ^= hash >> 29;
    };
    for (const int64_t value : {key.m, key.n, key.k, key.a_stride, key.b_stride, key.c_stride})
      mix(static_cast<uint64_t>(value));
    mix(std::bit_cast<uint32_t>(key.scale));
    mix(static_cast<uint64_t>(key.a_transposed | key.b_transposed << 1 | key.add << 2 |
                              key.bias << 3 | key.bf16 << 4 | key.c_bf16 << 5));
    return hash;
  }
};

memory::desc describe(int64_t rows, int64_t cols, int64_t stride, bool transposed,
                      memory::data_type type) {
  return {{rows, cols}, type, transposed ? memory::dims{1, stride} : memory::dims{stride, 1}};
}

/// A product that can be computed by several threads at a time: its working memory is theirs. The
/// library's own, which a primitive has otherwise, is one for all of them.
struct Primitive {
  dnnl::matmul product;
  memory::desc scratch;
};

Primitive make_primitive(const Key& key) {
  const auto type = key.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const auto c_type = key.c_bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const auto a = describe(key.m, key.k, key.a_stride, key.a_transposed, type);
  const auto b = describe(key.k, key.n, key.b_stride, key.b_transposed, type);
  const auto c = describe(key.m, key.n, key.c_stride, false, c_type);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (key.scale != 1) attributes.set_output_scales(0, {key.scale});
  if (key.add) {
    dnnl::post_ops after;
    after.append_sum(1);
    attributes.set_post_ops(after);
  }
  const memory::desc bias({1, key.n}, memory::data_type::f32, memory::format_tag::ab);
  const auto description =
      key.bias ? dnnl::matmul::desc(a, b, bias, c) : dnnl::matmul::desc(a, b, c);
  const dnnl::matmul::primitive_desc chosen(description, attributes, engine());
  return {dnnl::matmul(chosen), chosen.scratchpad_desc()};
}

/// The primitives used last. Making one generates code, which takes longer than a small product.
class Cache {
 public:
  Primitive get(const Key& key) {
    const std::lock_guard<std::mutex> lock(guard_);
    if (const auto it = index_.find(key); it != index_.end()) {
      order_.splice(order_.begin(), order_, it->second);
      return it->second->second;
    }
    order_.emplace_front(key, make_primitive(key));
    index_[key] = order_.begin();
    if (order_.size() > kMost) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    return order_.front().second;
  }

 private:
  static constexpr size_t kMost = 512;
  std::mutex guard_;
  std::list<std::pair<Key, Primitive>> order_;
  std::unordered_map<Key, std::list<std::pair<Key, Primitive>>::iterator, HashKey> index_;
};

/// A row's stride where there is one row does not matter to us, but oneDNN wants it to cover the
/// row.
int64_t stride_of(const View& view) { return std::max(view.stride, view.cols); }

/// Working memory of this thread, kept from call to call.
memory scratch_of(const Primitive& primitive) {
  thread_local hwy::AlignedFreeUniquePtr<uint8_t[]> room;
  thread_local size_t size = 0;
  if (const size_t bytes = primitive.scratch.get_size(); bytes > size) {
    room = hwy::AllocateAligned<uint8_t>(bytes);
    size = bytes;
  }
  return memory(primitive.scratch, engine(), room.get());
}

/// oneDNN on this thread alone while it lives.
class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(threads_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int threads_ = omp_get_max_threads();
};

dnnl::cpu_isa library_isa(Isa isa) {
  switch (isa) {
    case Isa::kSse41:
      return dnnl::cpu_isa::sse41;
    case Isa::kAvx2:
      return dnnl::cpu_isa::avx2;
    case Isa::kAvx512:
      return dnnl::cpu_isa::avx512_core;
    case Isa::kAvx512Bf16:
      return dnnl::cpu_isa::avx512_core_bf16;
    case Isa::kAmx:
      break;
  }
  return dnnl::cpu_isa::avx512_core_amx;
}

}  // namespace

void matmul(const Factor& a, const Factor& b, const View& c, float scale, bool add,
            const View& bias) {
  static Cache cache;
  const OneThread one;
  const Key key{a.rows(),
                b.cols(),
                a.cols(),
                stride_of(a.view),
                stride_of(b.view),
                stride_of(c),
                scale,
                a.transposed,
                b.transposed,
                add,
                static_cast<bool>(bias),
                a.view.dtype == Dtype::kBF16,
                c.dtype == Dtype::kBF16};
  const Primitive primitive = cache.get(key);
  const auto type = type_of(a.view.dtype);
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC,
       memory(describe(key.m, key.k, key.a_stride, key.a_transposed, type), engine(), a.view.data)},
      {DNNL_ARG_WEIGHTS,
       memory(describe(key.k, key.n, key.b_stride, key.b_transposed, type), engine(), b.view.data)},
      {DNNL_ARG_DST,
       memory(describe(key.m, key.n, key.c_stride, false, type_of(c.dtype)), engine(), c.data)},
      {DNNL_ARG_SCRATCHPAD, scratch_of(primitive)}};
  if (bias)
    arguments[DNNL_ARG_BIAS] =
        memory({{1, key.n}, memory::data_type::f32, memory::format_tag::ab}, engine(), bias.data);
  thread_local dnnl::stream stream(engine());
  primitive.product.execute(stream, arguments);
}

void sgemm(int64_t m, int64_t n, int64_t k, float alpha, Tile a, Tile b, float beta, float* c,
           int64_t c_stride) {
  const OneThread one;
  const auto status = dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', m, n, k, alpha,
                                 a.data, a.stride, b.data, b.stride, beta, c, c_stride);
  FALCONER_CHECK(status == dnnl_success);
}

// The library's instruction sets are bits, and those of a better one include the lesser's.
bool uses(Isa isa) {
  const auto bits = static_cast<unsigned>(library_isa(isa));
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & bits) == bits;
}

bool hold_to(Isa isa) { return dnnl::set_max_cpu_isa(library_isa(isa)) == dnnl::status::success; }

}  // namespace falconer::cpu::onednn
