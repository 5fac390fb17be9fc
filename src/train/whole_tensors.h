// Tensors of which each rank of a job may hold a piece, as whole ones: what is written to files and read from them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "checkpoint/tensor_writer.h"
#include "method/session.h"

namespace falconer {

/// A tensor (rows,cols) as this rank has it: all of it, or its pieces.
struct RankTensor {
  /// Elements that stand behind each other, from `first` on: rank r has bounds[r] .. bounds[r + 1] of them.
  struct Part {
    int64_t first = 0;
    View own;
    std::vector<int64_t> bounds;
  };
  std::string name;
  int64_t rows = 0, cols = 0;
  Dtype dtype = Dtype::kF32;
  View whole;               // where there are no parts
  std::vector<Part> parts;  // whole rows, but of a tensor that has only one
};

/// A tensor of the model or the method.
RankTensor value_of(const Param& param);
/// What the optimizer keeps of learner i: moments, and then their scales where they are coded.
std::vector<RankTensor> moments_of(Session& session, size_t i);

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
