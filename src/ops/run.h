// What every op is given: where it runs, the arenas it may use, and whether anything is really
// computed.
#pragma once

#include <cstdint>

#include "tensor/arena.h"

namespace falconer {

struct Kernels;
struct MixedRows;
class PassObserver;
class WeightVisits;

/// One forward (and backward) pass. Ops check shapes, return at once in a dry run, and else make
/// one call through `kernels`.
struct Run {
  const Kernels* kernels = nullptr;
  Arena* kept = nullptr;     // what backward needs: forward pushes, backward pops
  Arena* scratch = nullptr;  // gone when the block that pushed it ends
  bool dry = false;          // shapes and arenas only: how memory is planned
  bool training = false;     // dropout is on
  bool keep = false;         // a backward will follow: forward keeps what it needs
  bool recompute = false;    // of a block its input alone is kept: backward computes the rest anew
  // The rows are a part of a prompt, whose numbers must not depend on how it was cut: kernels compute them as they
  // do many rows, however few they are.
  bool as_many = false;
  const MixedRows* mixed = nullptr;  // whose rows they are (model/mixed_rows.h); null: nobody asks
  float adapter_scale = 1;           // LoRA's part times this
  Dtype activation = Dtype::kF32;
  WeightVisits* visits =
      nullptr;  // what brings weights before their use (visits.h); null: all are there
  PassObserver* observer = nullptr;  // who looks at the pass (pass_observer.h); null: nobody
  // Labelled rows whose logits exist at one time; and how many any rank of a job has in this pass.
  int64_t head_chunk = 512, head_rows = 0;
  // Names the random numbers of this pass. `first_row` counts the step's tokens before this
  // micro-batch and `first_target` the labelled ones, so that dropout does not depend on how a batch
  // is cut into micro-batches.
  uint64_t seed = 0;
  uint32_t step = 0;
  int64_t first_row = 0, first_target = 0;

  /// Where tensors lie; null: the host's memory.
  Device* device() const { return scratch->device(); }
  /// The kept arena for what a backward will need, scratch for the rest.
  Arena& store(bool wanted) const { return keep && wanted ? *kept : *scratch; }
  View push(bool wanted, int64_t rows, int64_t cols) const {
    return store(wanted).push(rows, cols, activation);
  }
};

/// While it lives, the rows that hooks are given are the labelled ones alone, from `begin` on.
class LabelledRows {
 public:
  LabelledRows(Run& run, bool labelled, int64_t begin = 0)
      : run_(run), first_row_(run.first_row), as_many_(run.as_many) {
    if (!labelled) return;
    run.first_row = run.first_target + begin;
    run.as_many = false;
  }
  LabelledRows(const LabelledRows&) = delete;
  LabelledRows& operator=(const LabelledRows&) = delete;
  ~LabelledRows() {
    run_.first_row = first_row_;
    run_.as_many = as_many_;
  }

 private:
  Run& run_;
  int64_t first_row_;
  bool as_many_;
};

}  // namespace falconer
