// Products are the same to the last bit at any number of threads, and the library's are right.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "base/threads.h"
#include "ops/cpu/product.h"
#include "ops/cpu/tiles.h"
#include "ops/cpu/turned_product.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

constexpr int kThreads[] = {1, 2, 3, 5, 8, 16};

struct Shape {
  int64_t m, n, k;
  bool a_transposed, b_transposed;
};
// Of a layer, of LoRA and its gradients, and what is long in the middle: all of them are cut within
// their sums by some library at some number of threads.
constexpr Shape kShapes[] = {
    {300, 584, 568, false, true}, {300, 8, 568, false, true},   {300, 568, 8, false, true},
    {568, 8, 300, true, false},   {8, 568, 300, true, false},   {16, 16, 4096, true, false},
    {40, 10, 4544, false, false}, {61, 32, 100, true, false},   {64, 568, 2272, false, true},
    {600, 300, 33, false, false}, {64, 1024, 256, false, true}, {333, 1043, 310, false, true}};

using Product = void (*)(const cpu::Factor&, const cpu::Factor&, const View&, float, bool,
                         const View&);

/// turned_product() where there is one, as linear_forward() asks.
void turned_or_other(const cpu::Factor& a, const cpu::Factor& b, const View& c, float scale,
                     bool add, const View& bias) {
  const int64_t bytes = cpu::turned_bytes(c.rows, c.cols, a.cols());
  if (a.transposed || !b.transposed || a.view.dtype != Dtype::kF32 || bytes == 0)
    return cpu::product(a, b, c, scale, add, bias);
  const Tensor room(1, bytes, Dtype::kU8);
  cpu::turned_product(a, b, c, scale, add, bias, room.view());
}

class ProductThreads : public testing::TestWithParam<std::pair<const char*, Product>> {
 protected:
  void TearDown() override { set_thread_count(before_); }

  Tensor multiplied(const Shape& s, Dtype in, Dtype out, int threads) const {
    set_thread_count(threads);
    const TestView a(s.a_transposed ? s.k : s.m, s.a_transposed ? s.m : s.k, in, 1);
    const TestView b(s.b_transposed ? s.n : s.k, s.b_transposed ? s.k : s.n, in, 2);
    Tensor c(s.m, s.n, out);
    copy_converted(TestView(s.m, s.n, out, 3), c.view());
    GetParam().second({a, s.a_transposed}, {b, s.b_transposed}, c.view(), 0.5f, true, {});
    return c;
  }

 private:
  const int before_ = thread_count();
};

TEST_P(ProductThreads, DoNotChangeAProduct) {
  for (const Shape& s : kShapes)
    for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
      // The library has no products of bf16 on a CPU without them.
      const bool library = GetParam().second == cpu::library_product;
      if (dtype == Dtype::kBF16 && library && !cpu::has_bf16_products()) continue;
      const Tensor one = multiplied(s, dtype, dtype, 1);
      for (const int threads : kThreads) {
        const Tensor other = multiplied(s, dtype, dtype, threads);
        EXPECT_EQ(std::memcmp(one.view().data, other.view().data, one.view().bytes()), 0)
            << s.m << "x" << s.n << "x" << s.k << " " << name_of(dtype) << ", " << threads
            << " threads";
      }
    }
}

// In double, element by element.
TEST_P(ProductThreads, AreRight) {
  for (const Shape& s : kShapes) {
    const Block<double> a =
        TestView(s.a_transposed ? s.k : s.m, s.a_transposed ? s.m : s.k, Dtype::kF32, 1).values();
    const Block<double> b =
        TestView(s.b_transposed ? s.n : s.k, s.b_transposed ? s.k : s.n, Dtype::kF32, 2).values();
    const Block<double> start = TestView(s.m, s.n, Dtype::kF32, 3).values();
    const Tensor c = multiplied(s, Dtype::kF32, Dtype::kF32, 3);
    for (int64_t m = 0; m < s.m; m += 7)
      for (int64_t n = 0; n < s.n; n += 3) {
        double sum = 0, size = 0;
        for (int64_t k = 0; k < s.k; ++k) {
          const double term =
              (s.a_transposed ? a(k, m) : a(m, k)) * (s.b_transposed ? b(n, k) : b(k, n));
          sum += term;
          size += std::abs(term);
        }
        EXPECT_NEAR(c.view().row<float>(m)[n], start(m, n) + 0.5 * sum,
                    0x1p-22 * (size + std::abs(start(m, n))));
      }
  }
}

std::vector<float> numbers(int64_t count, uint32_t seed) {
  const Block<double> block = random_block(1, count, seed);
  std::vector<float> all;
  for (int64_t i = 0; i < count; ++i) all.push_back(static_cast<float>(block(0, i)));
  return all;
}

/// Tiles of attention of many sizes, one behind the other.
std::vector<float> tiles() {
  const std::vector<float> x = numbers(140 * 140, 1), y = numbers(140 * 140, 2);
  std::vector<float> all;
  for (const int64_t m : {1, 2, 37, 52, 71, 128, 140})
    for (const int64_t n : {1, 5, 36, 64, 70, 140})
      for (const int64_t k : {1, 10, 44, 64, 128, 140})
        for (const bool turned : {false, true}) {
          const size_t at = all.size();
          all.resize(at + static_cast<size_t>(m * n));
          cpu::tile_product(m, n, k, 0.5f, {x.data(), 140, turned}, {y.data(), 140, !turned}, 0,
                            all.data() + at, n);
        }
  return all;
}

TEST(Tiles, AreTheSameAtAnyNumberOfThreadsAndInsideOfParallelWork) {
  const int before = thread_count();
  set_thread_count(1);
  const std::vector<float> one = tiles();
  for (const int threads : kThreads) {
    set_thread_count(threads);
    EXPECT_TRUE(tiles() == one) << threads << " threads";
  }
  set_thread_count(4);
  std::vector<std::vector<float>> inside(4);
  parallel_for(4, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) inside[static_cast<size_t>(i)] = tiles();
  });
  for (const auto& each : inside) EXPECT_TRUE(each == one);
  set_thread_count(before);
}

// Threads that the library starts by itself wait as it likes: beside other processes that costs nearly
// all of the speed.
TEST(Products, StartNoThreadsOfTheirOwn) {
  const auto tasks = [] {
    const std::filesystem::directory_iterator all("/proc/self/task");
    return std::distance(begin(all), end(all));
  };
  const int before = thread_count();
  set_thread_count(3);
  const auto work = [] {
    for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
      const TestView a(700, 600, dtype, 1), b(900, 600, dtype, 2), c(700, 900, dtype, 3);
      cpu::product({a}, {b, true}, c, 1, false);
    }
    tiles();
  };
  parallel_for(3, 1, [](int64_t, int64_t) {});
  const auto there = tasks();
  work();
  EXPECT_LE(tasks(), there);
  std::thread([&] {
    work();
    EXPECT_LE(tasks(), there + 1);  // itself
  }).join();
  set_thread_count(before);
}

INSTANTIATE_TEST_SUITE_P(All, ProductThreads,
                         testing::Values(std::pair("ours", &cpu::product),
                                         std::pair("library", &cpu::library_product),
                                         std::pair("turned", &turned_or_other)),
                         [](const auto& test) { return std::string(test.param.first); });

}  // namespace
}  // namespace falconer::test
