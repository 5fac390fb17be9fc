// falconer finetune METHOD
#include <cstdio>
#include <iostream>

#include "cli/finetune_flags.h"

namespace falconer::cli {

void add_finetune(CLI::App& app) {
  auto o = std::make_shared<FinetuneOptions>();
  add_finetune_flags(app, o);
  app.option_defaults()->group("Saving and watching");
  app.add_option("--out,--out-dir", o->out, "folder of this run")->required();
  app.add_option("--save-interval", o->save_interval, "steps between checkpoints; 0: none")
      ->capture_default_str();
  app.add_option("--keep", o->keep, "newest checkpoints that stay; 0: all")->capture_default_str();
  app.add_option("--eval-interval", o->eval_interval,
                 "steps between evaluations of the held-out rows; 0: none")
      ->capture_default_str();
  app.add_option("--early-stop", o->early_stop,
                 "evaluations without gain that end the run; 0: never")
      ->capture_default_str();
  app.add_flag("--keep-best", o->keep_best, "best/ holds the model of the lowest held-out loss");
  app.add_option("--sample-prompt", o->sample_prompt,
                 "an instruction that is answered after each evaluation");
  app.add_flag("--skip-nonfinite", o->skip_nonfinite,
               "leave out steps that are not finite instead of stopping");
  app.add_flag("--overwrite", o->overwrite, "replace an earlier run in --out");
  app.add_option("--resume", o->resume,
                 "auto (the newest checkpoint in --out) or a checkpoint folder")
      ->expected(0, 1)
      ->default_str("auto");
  app.add_flag("--dry-run", o->dry_run, "check everything and show the plan, train nothing");
  app.callback([o] {
    handle_interrupts();
    const FinetuneReport report = finetune(*o);
    if (o->dry_run) return;
    if (report.interrupted)
      throw Error("interrupted after step " + std::to_string(report.steps) +
                      ", which is saved; go on with --resume",
                  130);
    std::cout << report.final_folder << "\n";
    std::fprintf(stderr, "trained %lld steps (%lld tokens) in %.1f s, peak memory %.2f GB\n",
                 static_cast<long long>(report.steps), static_cast<long long>(report.tokens),
                 report.seconds, static_cast<double>(report.peak_rss_bytes) / 1e9);
  });
}

}  // namespace falconer::cli
