// The one door to oneDNN: no other file of src/ includes its headers or OpenMP's (tools/check_layers).
//
// How many threads oneDNN has enters what it chooses and the order of its sums, and threads that it
// starts wait by spinning. So every call here runs on the thread that makes it, alone, in working memory
// of that thread; who has more threads gives each a piece.
#pragma once

#include <string>

#include "ops/cpu/product.h"
#include "ops/cpu/tiles.h"

namespace falconer::cpu::onednn {

/// product() of product.h, for a and b of one dtype. No size is 0.
void matmul(const Factor& a, const Factor& b, const View& c, float scale, bool add,
            const View& bias);

/// tile_product() of tiles.h.
void sgemm(int64_t m, int64_t n, int64_t k, float alpha, Tile a, Tile b, float beta, float* c,
           int64_t c_stride);

/// What products use. Each includes the ones before it.
enum class Isa { kSse41, kAvx2, kAvx512, kAvx512Bf16, kAmx };

/// Whether products use it: this CPU has it, and this process was not held to less. Fixes that.
bool uses(Isa isa);

/// Holds the products of this process to `isa` at most. False where it is too late.
bool hold_to(Isa isa);

}  // namespace falconer::cpu::onednn
