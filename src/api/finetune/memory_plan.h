// The memory of a run before it begins: what it takes, and what is done where that is more than there
// is.
#pragma once

#include <string>
#include <vector>

#include "falconer/finetune.h"
#include "model/division.h"
#include "train/trainer.h"

namespace falconer {

/// Bytes of memory that the session takes besides the checkpoint's own pages, where it computes.
int64_t memory_needed(const Session& session);

/// Whether that can be had now, by each of the ranks on this machine, and what it takes of the host's memory beside
/// a device's.
bool fits(const Session& session);

/// "lora, bf16, micro-batches of 4, on the CPU"
std::string plan_heading(const Session& session, const std::string& method,
                         const StepPlanOptions& batches);

/// What it takes by what it is for, for people; the session was planned.
std::string memory_plan_text(Session& session, const std::string& method,
                             const StepPlanOptions& batches);

/// What can be done to need less memory, each where its option says "auto".
struct MemoryChoice {
  Shard shard = Shard::kNone;  // of several ranks: more is sent, the same numbers
  bool recompute = false;      // a quarter more work, the same numbers
  bool offload = false;        // moments go over the bus in every step, the same numbers
  bool bf16_weights = false;   // full finetuning without f32 masters: other numbers
};

/// In the order in which they are tried, without the first: nothing of it. What costs time goes before
/// what changes numbers. `planned`: the session of a plan, for where and in what dtype it computes.
std::vector<MemoryChoice> memory_choices(const FinetuneOptions& options, const Session& planned);

/// The options with "auto" as the choice says.
FinetuneOptions with_choice(FinetuneOptions options, const MemoryChoice& choice);

/// What was chosen, for people: a line for each; none where nothing was, or where it was asked for.
std::vector<std::string> choice_lines(const FinetuneOptions& asked, const MemoryChoice& choice);

/// What else would take less memory, as the end of a sentence.
std::string smaller_text(const FinetuneOptions& options, const Session& planned);

/// A run that cannot fit is refused before it starts. Error: `plan`, its memory plan's text, and what would
/// make it fit.
void refuse_too_large(const FinetuneOptions& options, const Session& session,
                      const std::string& plan);

}  // namespace falconer
