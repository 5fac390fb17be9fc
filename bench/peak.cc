#include "bench/peak.h"

#include <benchmark/benchmark.h>

#include <dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/threads.h"

namespace falconer::bench {

using dnnl::memory;

struct BestProduct::Parts {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  mutable dnnl::stream stream{engine};
  dnnl::matmul primitive;
  std::unordered_map<int, memory> arguments;
};

BestProduct::BestProduct(int64_t m, int64_t n, int64_t k, Dtype dtype, bool f32_out)
    : parts_(std::make_unique<Parts>()) {
  Parts& p = *parts_;
  const auto f32 = memory::data_type::f32;
  const auto type = dtype == Dtype::kBF16 ? memory::data_type::bf16 : f32;
  const auto any = memory::format_tag::any;
  const dnnl::matmul::desc description({{m, k}, type, any}, {{k, n}, type, any},
                                       {{m, n}, f32_out ? f32 : type, memory::format_tag::ab});
  const dnnl::matmul::primitive_desc chosen(description, p.engine);
  p.primitive = dnnl::matmul(chosen);
  p.arguments = {{DNNL_ARG_SRC, memory(chosen.src_desc(), p.engine)},
                 {DNNL_ARG_WEIGHTS, memory(chosen.weights_desc(), p.engine)},
                 {DNNL_ARG_DST, memory(chosen.dst_desc(), p.engine)}};
  // Random values: zeros or denormals would be another speed. Written in the layout that was
  // chosen, whatever it is.
  for (auto& [name, part] : p.arguments) {
    const int64_t width = type == f32 || (name == DNNL_ARG_DST && f32_out) ? 4 : 2;
    const int64_t count = static_cast<int64_t>(part.get_desc().get_size()) / width;
    fill({part.get_data_handle(), 1, count, count, width == 4 ? Dtype::kF32 : Dtype::kBF16}, 7);
  }
}

BestProduct::~BestProduct() = default;

void BestProduct::run() const { parts_->primitive.execute(parts_->stream, parts_->arguments); }

Reading::Reading(double bytes) : buffer_(1, static_cast<int64_t>(bytes / 4) + 1, Dtype::kF32) {
  fill(buffer_.view(), 3);
}

void Reading::run() const {
  const uint64_t* words = reinterpret_cast<const uint64_t*>(buffer_.view().data);
  parallel_for(buffer_.view().cols / 2, 1 << 12, [&](int64_t begin, int64_t end) {
    uint64_t sums[32] = {};
    for (int64_t i = begin; i + 32 <= end; i += 32)
      for (int j = 0; j < 32; ++j) sums[j] ^= words[i + j];
    for (const uint64_t sum : sums) benchmark::DoNotOptimize(sum);
  });
}

void fill(const View& view, uint32_t seed) {
  const RandomStream stream(seed, RandomPurpose::kTest);
  // One row of numbers that repeats: drawing hundreds of millions would take longer than the rest.
  constexpr int64_t kPeriod = 4099;
  std::vector<float> numbers(kPeriod);
  for (int64_t i = 0; i < kPeriod; ++i)
    numbers[static_cast<size_t>(i)] = 2 * stream.uniform(static_cast<uint64_t>(i)) - 1;
  parallel_for(view.rows * view.cols, 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float value = numbers[static_cast<size_t>(i % kPeriod)];
      const int64_t row = i / view.cols, col = i % view.cols;
      if (view.dtype == Dtype::kF32) view.row<float>(row)[col] = value;
      if (view.dtype == Dtype::kBF16) view.row<BF16>(row)[col] = value;
    }
  });
}

Tensor filled(int64_t rows, int64_t cols, Dtype dtype, uint32_t seed) {
  Tensor made(rows, cols, dtype);
  fill(made.view(), seed);
  return made;
}

}  // namespace falconer::bench
