// falconer check
#include <memory>

#include "cli/print.h"
#include "falconer/data.h"

namespace falconer::cli {

void add_check(Command& command) {
  auto o = std::make_shared<CheckOptions>();
  command.add("--data,--data-dir,--input", &o->data,
              "rows (.json, .jsonl, .csv), text (.txt), a folder with train.* and test.*, or "
              "org/name on the hub",
              {.required = true, .kind = ValueKind::kData});
  add_checkpoint(command, o->checkpoint);
  add_data_format(command, o->data_format);
  command.add("--prompt-style", &o->prompt_style,
              "alpaca, alpaca-colon, falcon, falcon-instruct, raw or chat, the checkpoint's own "
              "template (default: alpaca; for turns chat, or falcon)");
  add_learning_flags(command, o->mask_prompt, o->train_on, o->parse_special);
  add_as_finetune(command, "max-seq-length", &o->max_seq_length);
  add_test_size(command, o->test_size);
  command.add("--seed", &o->seed, "of the split, as prepare has it; finetune takes 42",
              {.shows_default = true});
  command.add("--skip-bad", &o->skip_bad, "rows that cannot be read will be left out: a warning");
  add_length_flags(command, o->epochs, o->batch_size);
  command.add("--max-bad", &o->max_bad,
              "rows that one kind of error may concern, as 3, 1% or 0.01; with more the exit "
              "code is 1",
              {.shows_default = true});
  add_any_base(command, o->any_base);
  command.add("--strict", &o->strict, "warnings count as errors do");
  command.add("--json", &o->json, "one JSON object with every line instead of text");
  command.does([o] {
    const CheckReport report = check(*o);
    print(report, o->json);
    if (!report.failure.empty()) throw Error(report.failure);
  });
}

}  // namespace falconer::cli
