// falconer finetune METHOD
#include <memory>

#include "base/log.h"
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
                130);
  if (!json) print_result(report.final_folder + "\n");
  if (report.was_finished) return;
  log_info("trained {} steps ({} tokens) in {:.1f} s, peak memory {:.2f} GB", report.steps,
           report.tokens, report.seconds, static_cast<double>(report.peak_rss_bytes) / 1e9);
}

}  // namespace

void add_finetune(CLI::App& app) {
  auto o = std::make_shared<FinetuneOptions>();
  auto dry = std::make_shared<bool>(false);
  add_finetune_flags(app, *o);
  app.get_option("--out")->required();
  app.add_flag("--overwrite", o->overwrite, "replace an earlier run in --out");
  app.add_option("--resume", o->resume,
                 "auto (the newest checkpoint in --out) or a checkpoint folder")
      ->expected(0, 1)
      ->default_str("auto");
  app.add_flag("--dry-run", *dry, "check everything and show the plan, train nothing");
  auto json = std::make_shared<bool>(false);
  add_json(app, *json);
  app.callback([o, dry, json, &app] {
    if (const CLI::Option* recipe = app.get_option_no_throw("--config"))
      if (recipe->count() > 0) o->recipe = recipe->as<std::string>();
    *dry ? check_only(*o, *json) : train(*o, *json);
  });
}

}  // namespace falconer::cli
