// falconer check
#include <memory>

#include "cli/print.h"
#include "falconer/data.h"

namespace falconer::cli {

void add_check(CLI::App& app) {
  auto o = std::make_shared<CheckOptions>();
  app.add_option("--data,--data-dir,--input", o->data,
                 "rows (.json, .jsonl, .csv), text (.txt), a folder with train.* and test.*, or "
                 "org/name on the hub")
      ->required();
  add_checkpoint(app, o->checkpoint);
  add_data_format(app, "--data-format", o->data_format);
  app.add_option("--prompt-style", o->prompt_style,
                 "alpaca, alpaca-colon, falcon, falcon-instruct, raw or chat, the checkpoint's own "
                 "template (default: alpaca; for turns chat, or falcon)");
  add_learning_flags(app, o->mask_prompt, o->train_on, o->parse_special);
  app.add_option("--max-seq-length", o->max_seq_length, "longer rows are cut")
      ->capture_default_str();
  add_test_size(app, o->test_size);
  app.add_option("--seed", o->seed, "of the split, as prepare has it; finetune takes 42")
      ->capture_default_str();
  app.add_flag("--skip-bad", o->skip_bad, "rows that cannot be read will be left out: a warning");
  add_length_flags(app, o->epochs, o->batch_size);
  app.add_option("--max-bad", o->max_bad,
                 "rows that one kind of error may concern, as 3, 1% or 0.01; with more the exit "
                 "code is 1")
      ->capture_default_str();
  add_any_base(app, o->any_base);
  app.add_flag("--strict", o->strict, "warnings count as errors do");
  app.add_flag("--json", o->json, "one JSON object with every line instead of text");
  app.callback([o] {
    const CheckReport report = check(*o);
    print(report, o->json);
    if (!report.failure.empty()) throw Error(report.failure);
  });
}

}  // namespace falconer::cli
