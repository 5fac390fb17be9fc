// What each rank of a job holds of a model that several train together.
#pragma once

#include "ranks/pieces.h"

namespace falconer {

/// What is divided among the ranks; each computes with whole layers whatever it is.
enum class Shard {
  kNone,       // nothing: every rank holds all
  kOptimizer,  // gradients and the optimizer's state (ZeRO-2)
  kAll         // weights too, frozen ones included: gathered where they are used (ZeRO-3)
};

struct Division {
  int ranks = 1, rank = 0;
  int here = 1;  // ranks that share this machine's memory
  Shard shard = Shard::kNone;
  int64_t band =
      int64_t{1} << 23;  // elements of a matrix that are put together at one time, or one row

  bool many() const { return ranks > 1; }
  bool weights() const { return many() && shard == Shard::kAll; }
  bool optimizer() const { return many() && shard != Shard::kNone; }
};

}  // namespace falconer
