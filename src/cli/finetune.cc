// falconer finetune METHOD
#include <memory>

#include "base/log.h"
#include "base/plural.h"
#include "cli/finetune_flags.h"
#include "cli/print.h"
#include "falconer/process.h"

namespace falconer::cli {
namespace {

void check_only(const FinetuneOptions& options, bool json) {
  const FinetunePlan plan = dry_run(options);
  print(plan, json);
  if (!plan.fits)
    throw Error(
        "the run does not fit in memory. Smaller: --micro-batch-size 1, a shorter "
        "--max-seq-length, --precision bf16, --low-memory, or a method that trains less");
  log_info("everything is in order; nothing was trained or written");
}

void train(const FinetuneOptions& options, bool json) {
  handle_interrupts();
  const FinetuneReport report = finetune(options);
  if (json) print_result(report.json);
  if (report.interrupted)
    throw Error("interrupted after step " + std::to_string(report.steps) +
                    ", which is saved; go on with --resume",
                interrupt_exit_code());
  if (!json) print_result(report.final_folder + "\n");
  if (report.was_finished) return;
  log_info("trained {} {} ({} {}) in {:.1f} s, peak memory {:.2f} GB", report.steps,
           plural(report.steps, "step"), report.tokens, plural(report.tokens, "token"),
           report.seconds, static_cast<double>(report.peak_rss_bytes) / 1e9);
}

}  // namespace

void add_finetune(Command& command) {
  auto o = std::make_shared<FinetuneOptions>();
  auto dry = std::make_shared<bool>(false);
  add_finetune_flags(command, *o);
  command.flag("--out").traits.required = true;
  add_earlier_run_flags(command, *o);
  command.add("--dry-run", dry.get(), "check everything and show the plan, train nothing");
  auto json = std::make_shared<bool>(false);
  add_json(command, *json);
  command.does([o, dry, json, &command] {
    if (const Flag* recipe = find_flag(command, "--config"); recipe && !recipe->given.empty())
      o->recipe = recipe->given.back();
    *dry ? check_only(*o, *json) : train(*o, *json);
  });
}

}  // namespace falconer::cli
