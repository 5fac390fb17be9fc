#include "data/split.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace falconer {

std::vector<int64_t> torch_randperm(int64_t n, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 numbers(static_cast<uint32_t>(seed));  // torch seeds with the low 32 bits
  for (int64_t i = 0; i + 1 < n; ++i)
    std::swap(order[i], order[i + static_cast<int64_t>(numbers()) % (n - i)]);
  return order;
}

int64_t default_test_size(int64_t rows) {
  return rows < 100 ? 0 : std::min<int64_t>(2000, rows / 10);
}

}  // namespace falconer
