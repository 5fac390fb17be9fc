// The train and test split that torch makes, number by number.
#pragma once

#include <cstdint>
#include <vector>

namespace falconer {

/// torch.randperm(n) with a CPU generator seeded by `seed`: MT19937 and, for i = 0 .. n-2, a swap
/// of i with i + u32 mod (n - i).
std::vector<int64_t> torch_randperm(int64_t n, uint64_t seed);

/// Rows of so many that are held out where nobody says: a tenth, 2000 at most. Of fewer than 100 none:
/// a handful of them would measure nothing, and are missed in training.
int64_t default_test_size(int64_t rows);

}  // namespace falconer
