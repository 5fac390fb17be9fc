// falconer plan METHOD
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/number.h"
#include "cli/finetune_flags.h"
#include "cli/number_flags.h"
#include "cli/print.h"
#include "falconer/ranks.h"

namespace falconer::cli {

namespace {

constexpr WholeRange kRanksToPlan{.least = 1, .most = kMostRanks};
constexpr RealRange kSpeed{.least = 0, .open_least = true};

struct PlanFlags {
  FinetuneOptions run;
  std::optional<int64_t> ranks;
  std::optional<double> tokens_per_second;
  int64_t memory = 0;
  std::string interconnect;
  bool json = false;
};

// "25GB/s"
double bytes_per_second(const std::string& text) {
  std::string size = text;
  if (size.ends_with("/s")) size.resize(size.size() - 2);
  const bool bits = size.size() > 1 && size.ends_with("b");
  if (bits || !to_bytes(size).empty() || size == "0")
    fail_usage("--interconnect is \"{}\"; expected bytes a second, as 25GB/s or 900MB/s{}",
               printable(text), bits ? "; 8 bits are one" : "");
  return static_cast<double>(whole_of_text(size).value_or(0));
}

void add_ranks(Command& command, PlanFlags& flags) {
  command.group("Ranks");
  command.add("--ranks", &flags.ranks,
              "show what each of so many ranks would hold and send, each on a machine of its own",
              {.expected = expectation(kRanksToPlan)});
  command.add("--rank-memory", &flags.memory,
              "of --ranks: what each may have, as 40GB (default: what this machine has)",
              {.size = true, .value_name = "SIZE"});
  command.add("--interconnect", &flags.interconnect,
              "of --ranks: what each can send to the others, as 25GB/s", {.value_name = "BYTES/s"});
  command.add("--tokens-per-second", &flags.tokens_per_second,
              "of --ranks: what one of them trains on alone, for the share of a step that sending "
              "takes",
              {.expected = expectation(kSpeed)});
}

FinetunePlan planned(const PlanFlags& flags) {
  if (!flags.ranks) {
    const char* const of_ranks = flags.memory != 0             ? "--rank-memory"
                                 : !flags.interconnect.empty() ? "--interconnect"
                                 : flags.tokens_per_second     ? "--tokens-per-second"
                                                               : nullptr;
    if (of_ranks != nullptr) fail_usage("{} goes with --ranks", of_ranks);
    return plan(flags.run);
  }
  PlannedRanks ranks{.ranks = *flags.ranks, .memory = flags.memory};
  if (!flags.interconnect.empty()) ranks.bytes_per_second = bytes_per_second(flags.interconnect);
  if (flags.tokens_per_second) {
    if (!kSpeed.holds(*flags.tokens_per_second))
      fail_usage("--tokens-per-second is {}; expected {}", *flags.tokens_per_second,
                 expectation(kSpeed));
    ranks.tokens_per_second = *flags.tokens_per_second;
  }
  return plan(flags.run, ranks);
}

}  // namespace

void add_plan(Command& command) {
  auto flags = std::make_shared<PlanFlags>();
  add_finetune_flags(command, flags->run);
  command.flag("--data").traits.required = false;
  add_ranks(command, *flags);
  command.group("");
  add_json(command, flags->json);
  command.does([flags] { print(planned(*flags), flags->json); });
}

}  // namespace falconer::cli
