// Tensors of which each rank of a job may hold a piece, as whole ones: what is written to files and read from them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "checkpoint/tensor_writer.h"
#include "method/session.h"

namespace falconer {

/// A tensor (rows,cols) as this rank has it.
struct RankTensor {
  std::string name;
  int64_t rows = 0, cols = 0;
  View own;                     // all of it where `bounds` is empty; else (1, n)
  std::vector<int64_t> bounds;  // rank r's elements are bounds[r] .. bounds[r + 1]

  int64_t begin(int rank) const { return bounds.empty() ? 0 : bounds[static_cast<size_t>(rank)]; }
};

/// A tensor of the model or the method.
RankTensor value_of(const Param& param);
/// What the optimizer keeps of learner i: moments, and then their scales where they are coded.
std::vector<RankTensor> moments_of(const Session& session, size_t i);

/// Calls `use(first, band)` for bands of rows in order; on every rank, which all have to call this.
void for_whole_bands(Ranks* ranks, const RankTensor& tensor,
                     const std::function<void(int64_t first, const View& band)>& use);

/// Files are the first rank's.
bool writes_files(const Session& session);

/// Writes the tensors, which were declared in this order, and commits; by the others, gives the first rank what it
/// writes.
void write_tensors(TensorWriter& writer, const Session& session,
                   const std::vector<RankTensor>& tensors);
void help_write(const Session& session, const std::vector<RankTensor>& tensors);

}  // namespace falconer
