#include "api/finetune/memory_plan.h"

#include "api/finetune/rank_run.h"
#include "base/error.h"
#include "base/joined.h"
#include "base/system.h"

namespace falconer {

int64_t memory_needed(const Session& session) {
  const MemoryPlan plan = session.plan();
  return static_cast<int64_t>(plan.fixed + plan.kept + plan.scratch + plan.services);
}

bool fits(const Session& session) {
  // Pinned memory cannot be taken back: the system keeps a tenth for itself.
  const int here = session.options().division.here;
  const auto pinned = static_cast<double>(session.plan().pinned) * here;
  return memory_needed(session) * here <= session.available_bytes() &&
         pinned <= 0.9 * static_cast<double>(available_memory_bytes());
}

namespace {

bool learns_in_bf16(const Session& session) {
  const auto& method = session.options().method;
  return method && method->bf16_weights;
}

// "with gradients and optimizer state", as far as they are there.
std::string learning_text(const Session& session) {
  const OptimizerMemory& optimizer = session.options().optimizer;
  const bool state = optimizer.moments > 0 && !optimizer.offload;
  return fmt::format("{}with gradients{}", learns_in_bf16(session) ? "weights in bf16, " : "",
                     !state            ? ""
                     : optimizer.coded ? " and 8-bit optimizer state"
                                       : " and optimizer state");
}

}  // namespace

std::string plan_heading(const Session& session, const std::string& method,
                         const StepPlanOptions& batches) {
  const Device* const device = session.device();
  return fmt::format(
      "{}, {}, micro-batches of {}{}, on {}", method, name_of(session.run().activation),
      batches.micro_batch_tokens > 0 ? batches.micro_batch_tokens : batches.micro_batch_size,
      batches.micro_batch_tokens > 0 ? " tokens" : "",
      device != nullptr ? device->name() : "the CPU");
}

std::string memory_plan_text(Session& session, const std::string& method,
                             const StepPlanOptions& batches) {
  const MemoryPlan plan = session.plan();
  Device* const device = session.device();
  const size_t program =
      plan.services + (device != nullptr ? 0 : static_cast<size_t>(resident_bytes()));
  const auto line = [](const char* what, size_t bytes, const std::string& note = {}) {
    return fmt::format("  {:<21} {:>12.1f} MB{}\n", what, static_cast<double>(bytes) / 1e6,
                       note.empty() ? "" : " (" + note + ")");
  };
  std::string text = fmt::format("memory plan ({}):\n", plan_heading(session, method, batches));
  if (!session.why_computed_so().empty()) text += "  " + session.why_computed_so() + "\n";
  text += line("weights, mapped", plan.mapped);
  if (plan.converted > 0) text += line("weights, converted", plan.converted);
  text += line("trainable and tables", plan.fixed - plan.converted, learning_text(session));
  text +=
      line("kept for backward", plan.kept, session.run().recompute ? spelled("--recompute") : "");
  text += line("scratch", plan.scratch);
  text += line(device != nullptr ? "workspace etc." : "program and rows", program);
  text += line("together", plan.mapped + plan.fixed + plan.kept + plan.scratch + program,
               device != nullptr ? "" : "the most that the process has resident");
  if (plan.pinned > 0)
    text += line("on the host, pinned", plan.pinned,
                 session.options().optimizer.coded ? "8-bit optimizer state" : "optimizer state");
  return text;
}

std::vector<MemoryChoice> memory_choices(const FinetuneOptions& o, const Session& planned) {
  const auto values = [](const std::string& asked, const char* yes, bool sensible) {
    if (asked == "auto")
      return sensible ? std::vector<bool>{false, true} : std::vector<bool>{false};
    return std::vector<bool>{asked == yes};
  };
  // Of the other methods next to nothing learns.
  const bool full = o.method == "full";
  const bool bf16 = planned.run().activation == Dtype::kBF16;
  std::vector<MemoryChoice> choices;
  for (const bool bf16_weights : values(o.master_weights, "bf16", full && bf16))
    for (const bool offload :
         values(o.offload_optimizer, "on", full && planned.device() != nullptr))
      for (const bool recompute : values(o.recompute, "on", true))
        choices.push_back(
            {.recompute = recompute, .offload = offload, .bf16_weights = bf16_weights});
  if (planned.options().division.many()) {
    // What is sent beside computing costs least: all that can be divided is, before more is computed.
    const std::vector<Shard> shards = shards_to_try(o.shard);
    for (MemoryChoice& choice : choices) choice.shard = shards.back();
    for (size_t i = shards.size() - 1; i-- > 0;) {
      choices.insert(choices.begin(), choices.front());
      choices.front().shard = shards[i];
    }
  }
  choices.erase(choices.begin());
  return choices;
}

FinetuneOptions with_choice(FinetuneOptions o, const MemoryChoice& choice) {
  const auto set = [](std::string& option, const char* value) {
    if (option == "auto") option = value;
  };
  set(o.recompute, choice.recompute ? "on" : "off");
  set(o.offload_optimizer, choice.offload ? "on" : "off");
  set(o.master_weights, choice.bf16_weights ? "bf16" : "f32");
  set(o.shard, shard_name(choice.shard));
  return o;
}

std::vector<std::string> choice_lines(const FinetuneOptions& asked, const MemoryChoice& choice) {
  std::vector<std::string> lines;
  const bool shared = asked.shard == ShardName::kAuto;
  if (shared && choice.shard == Shard::kOptimizer)
    lines.push_back(spelled(
        "gradients and the optimizer's state are divided among the ranks (--shard optimizer)"));
  if (shared && choice.shard == Shard::kAll)
    lines.push_back(spelled("weights too are divided among the ranks (--shard all)"));
  if (choice.recompute)
    lines.push_back(spelled("what backward reads is computed again (--recompute on)"));
  if (choice.offload)
    lines.push_back(spelled("the optimizer's state stays on the host (--offload-optimizer on)"));
  if (choice.bf16_weights)
    lines.push_back(spelled("weights learn in bf16, without f32 masters (--master-weights bf16)"));
  return lines;
}

std::string smaller_text(const FinetuneOptions& o, const Session& planned) {
  std::vector<std::string> ways;
  if (o.micro_batch_size > 1 || o.micro_batch_tokens > 0)
    ways.push_back(spelled("--micro-batch-size 1"));
  ways.push_back(spelled("a shorter --max-seq-length"));
  if (planned.run().activation == Dtype::kF32) ways.push_back(spelled("--precision bf16"));
  if (o.method == "full" && o.optimizer == "adamw")
    ways.push_back(spelled("--optimizer adamw-8bit"));
  if (planned.device() == nullptr && o.method != "full") ways.push_back(spelled("--low-memory"));
  if (o.method != "full" && o.quantize == "none") ways.push_back(spelled("--quantize nf4"));
  return fmt::format("{}, or a method that trains less than {}", joined(ways, ", "), o.method);
}

void refuse_too_large(const FinetuneOptions& options, const Session& session,
                      const std::string& plan) {
  if (fits(session)) return;
  const Device* const device = session.device();
  fail("{}{:.1f} GB of memory can be had{}. Smaller: {}", plan,
       static_cast<double>(session.available_bytes()) / 1e9,
       device != nullptr ? fmt::format(" on {}, and {:.1f} GB on the host", device->name(),
                                       static_cast<double>(available_memory_bytes()) / 1e9)
                         : "",
       smaller_text(options, session));
}

}  // namespace falconer
