#include "ops/cpu/product.h"

#include <omp.h>

#include <dnnl.hpp>
#include <list>
#include <mutex>
#include <unordered_map>

#include "base/error.h"
#include "base/threads.h"
#include "ops/cpu/packed_product.h"

namespace falconer::cpu {
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

dnnl::matmul make_primitive(const Key& key) {
  const auto type = key.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const auto c_type = key.c_bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const auto a = describe(key.m, key.k, key.a_stride, key.a_transposed, type);
  const auto b = describe(key.k, key.n, key.b_stride, key.b_transposed, type);
  const auto c = describe(key.m, key.n, key.c_stride, false, c_type);
  dnnl::primitive_attr attributes;
  if (key.scale != 1) attributes.set_output_scales(0, {key.scale});
  if (key.add) {
    dnnl::post_ops after;
    after.append_sum(1);
    attributes.set_post_ops(after);
  }
  const memory::desc bias({1, key.n}, memory::data_type::f32, memory::format_tag::ab);
  const auto description =
      key.bias ? dnnl::matmul::desc(a, b, bias, c) : dnnl::matmul::desc(a, b, c);
  return dnnl::matmul({description, attributes, engine()});
}

/// The primitives used last. Making one generates code, which takes longer than a small product.
class Cache {
 public:
  dnnl::matmul get(const Key& key) {
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
  std::list<std::pair<Key, dnnl::matmul>> order_;
  std::unordered_map<Key, std::list<std::pair<Key, dnnl::matmul>>::iterator, HashKey> index_;
};

/// A row's stride where there is one row does not matter to us, but oneDNN wants it to cover the
/// row.
int64_t stride_of(const View& view) { return std::max(view.stride, view.cols); }

void run_primitive(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                   const View& bias) {
  static Cache cache;
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
  const dnnl::matmul primitive = cache.get(key);
  const auto type = type_of(a.view.dtype);
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC,
       memory(describe(key.m, key.k, key.a_stride, key.a_transposed, type), engine(), a.view.data)},
      {DNNL_ARG_WEIGHTS,
       memory(describe(key.k, key.n, key.b_stride, key.b_transposed, type), engine(), b.view.data)},
      {DNNL_ARG_DST,
       memory(describe(key.m, key.n, key.c_stride, false, type_of(c.dtype)), engine(), c.data)}};
  if (bias)
    arguments[DNNL_ARG_BIAS] =
        memory({{1, key.n}, memory::data_type::f32, memory::format_tag::ab}, engine(), bias.data);
  thread_local dnnl::stream stream(engine());
  primitive.execute(stream, arguments);
}

/// oneDNN on one thread while it lives: how many there are enters a primitive when it is made.
class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(threads_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int threads_ = omp_get_max_threads();
};

/// Of parts that are about as large as each other, none above `most`: an even number of them, since
/// threads are.
int64_t size_of_part(int64_t n, int64_t most) {
  constexpr int64_t kUnit = 16;
  int64_t parts = (n + most - 1) / most;
  if (parts > 1) parts += parts % 2;
  return ((n + parts - 1) / parts + kUnit - 1) / kUnit * kUnit;
}

Factor rows_of(const Factor& a, int64_t begin, int64_t count) {
  return {a.transposed ? a.view.col_range(begin, count) : a.view.row_range(begin, count),
          a.transposed};
}
Factor cols_of(const Factor& b, int64_t begin, int64_t count) {
  return {b.transposed ? b.view.row_range(begin, count) : b.view.col_range(begin, count),
          b.transposed};
}

}  // namespace

// oneDNN cuts work, and sums too, by the number of threads. So c is cut here, into pieces that do not
// depend on it, and each piece is one thread's. They are large enough that packing for each pays, and
// many enough for many threads; LoRA's products are narrow, and have pieces of fewer rows.
void library_product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
                     const View& bias) {
  constexpr int64_t kRows = 512, kNarrow = 256, kNarrowRows = 128, kPieces = 32;
  const int64_t high = size_of_part(c.rows, c.cols < kNarrow ? kNarrowRows : kRows);
  const int64_t wide =
      size_of_part(c.cols, std::clamp<int64_t>(c.rows * c.cols / kPieces / high, 512, 2048));
  const int64_t across = (c.cols + wide - 1) / wide, down = (c.rows + high - 1) / high;
  parallel_for(across * down, 1, [&](int64_t begin, int64_t end) {
    const OneThread one;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m = i / across * high, n = i % across * wide;
      const int64_t rows = std::min(high, c.rows - m), cols = std::min(wide, c.cols - n);
      run_primitive(rows_of(a, m, rows), cols_of(b, n, cols),
                    c.row_range(m, rows).col_range(n, cols), scale, add, bias.col_range(n, cols));
    }
  });
}

bool has_bf16_products() {
  static const bool has = [] {
    const auto isa = dnnl::get_effective_cpu_isa();
    return isa == dnnl::cpu_isa::avx512_core || isa == dnnl::cpu_isa::avx512_core_vnni ||
           isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
  }();
  return has;
}

void product(const Factor& a, const Factor& b, const View& c, float scale, bool add,
             const View& bias) {
  FALCONER_CHECK(a.cols() == b.rows() && a.rows() == c.rows && b.cols() == c.cols);
  FALCONER_CHECK(!bias || scale == 1);
  if (c.rows == 0 || c.cols == 0) return;
  const bool mixed = a.view.dtype != b.view.dtype;
  if (mixed || (a.view.dtype == Dtype::kBF16 && !has_bf16_products()))
    packed_product(a, b, c, scale, add, bias);
  else
    library_product(a, b, c, scale, add, bias);
}

}  // namespace falconer::cpu
