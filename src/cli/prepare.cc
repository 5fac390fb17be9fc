// falconer prepare
#include <memory>

#include "cli/print.h"
#include "falconer/data.h"

namespace falconer::cli {

void add_prepare(Command& command) {
  auto options = std::make_shared<PrepareOptions>();
  add_data_format(command, options->data_format, true);
  command.add("--input", &options->input, "rows: .json, .jsonl, .csv or .txt",
              {.required = true, .kind = ValueKind::kFile});
  add_checkpoint(command, options->checkpoint, false).help = "folder with tokenizer.json";
  command.add("--out", &options->out, "folder for train.jsonl and test.jsonl",
              {.required = true, .kind = ValueKind::kFolder});
  add_test_size(command, options->test_size);
  command.add("--seed", &options->seed, "of the split", {.shows_default = true});
  command.add("--prompt-style", &options->prompt_style,
              "alpaca, alpaca-colon, falcon, falcon-instruct, raw or chat, the checkpoint's own "
              "template (default: alpaca; for turns chat, or falcon)");
  add_learning_flags(command, options->mask_prompt, options->train_on, options->parse_special);
  command.add("--prompt-ending", &options->prompt_ending,
              "what follows Alpaca's '### Response': colon or newline",
              {.shows_default = true, .offers = {"newline", "colon"}});
  command.add("--tokenize", &options->tokenize, "prompt and answer: joint or separate",
              {.shows_default = true, .offers = {"separate", "joint"}});
  add_as_finetune(command, "max-seq-length", &options->max_seq_length);
  command.add("--keep-eos,!--no-keep-eos", &options->keep_eos,
              "a row that was cut still ends with end-of-text (default)");
  add_as_finetune(command, "skip-bad", &options->skip_bad);
  add_overwrite(command, options->overwrite, "files in --out that prepare did not write");
  auto json = std::make_shared<bool>(false);
  add_json(command, *json);
  command.does([options, json] { print(prepare(*options), *json); });
}

}  // namespace falconer::cli
