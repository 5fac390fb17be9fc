// The instruction sets that the CPU's kernels have code for: which this CPU has, and how a process
// is held to one that is not the best of them.
#pragma once

#include <string>
#include <vector>

namespace falconer::cpu {

struct InstructionSet {
  std::string name;  // "SSE4", "AVX2", "AVX512", "AVX512-BF16", ...
  bool here = false;
};
/// The plainest first. Fixes what oneDNN uses in this process: the best that it may.
std::vector<InstructionSet> instruction_sets();

/// From now on kernels and products are those of a CPU that has no more than `name`. Before the first
/// product of the process, and before instruction_sets(). Errors: no such name (usage), this CPU lacks
/// it, it is too late.
void use_instruction_set(const std::string& name);

}  // namespace falconer::cpu
