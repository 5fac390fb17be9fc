// Answers and scores by the ranks of a job: each has its own rows, and the results of all are put together.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/tensor_file.h"
#include "falconer/use.h"
#include "model/division.h"
#include "ranks/ranks.h"

namespace falconer {

/// What this process has of a model that answers: `shard` is "none" or "all". Error (usage): anything else.
Division division_for_use(const Ranks* ranks, const std::string& shard);

/// This process's rows, one behind the other: as many as another rank's, or one more or less; the first rank's come
/// first. All of them where `ranks` is null.
RowRange own_rows(int64_t rows, const Ranks* ranks);

/// Error, on all ranks: one has other prompts than the first.
void refuse_other_prompts(Ranks& ranks, const std::vector<std::vector<int32_t>>& prompts);

/// Those of all ranks, in the order of the ranks.
std::vector<Completion> completions_of_all(Ranks& ranks, const std::vector<Completion>& mine);
/// The same of rows of numbers.
std::vector<std::vector<float>> numbers_of_all(Ranks& ranks,
                                               const std::vector<std::vector<float>>& mine);

}  // namespace falconer
