// falconer prepare
#include <memory>

#include "cli/print.h"
#include "falconer/data.h"

namespace falconer::cli {

void add_prepare(CLI::App& app) {
  auto options = std::make_shared<PrepareOptions>();
  add_data_format(app, "format,--data-format", options->data_format);
  app.add_option("--input", options->input, "rows: .json, .jsonl, .csv or .txt")->required();
  add_checkpoint(app, options->checkpoint, false)->description("folder with tokenizer.json");
  app.add_option("--out", options->out, "folder for train.jsonl and test.jsonl")->required();
  add_test_size(app, options->test_size);
  app.add_option("--seed", options->seed, "of the split")->capture_default_str();
  app.add_option("--prompt-style", options->prompt_style,
                 "alpaca, alpaca-colon, falcon, falcon-instruct, raw or chat, the checkpoint's own "
                 "template (default: alpaca; for turns chat, or falcon)");
  add_learning_flags(app, options->mask_prompt, options->train_on, options->parse_special);
  app.add_option("--prompt-ending", options->prompt_ending,
                 "what follows Alpaca's '### Response': colon or newline")
      ->capture_default_str();
  app.add_option("--tokenize", options->tokenize, "prompt and answer: joint or separate")
      ->capture_default_str();
  app.add_option("--max-seq-length", options->max_seq_length, "longer rows are cut")
      ->capture_default_str();
  app.add_flag("--keep-eos,!--no-keep-eos", options->keep_eos,
               "a row that was cut still ends with end-of-text (default)");
  app.add_flag("--skip-bad", options->skip_bad, "leave bad rows out instead of stopping");
  add_overwrite(app, options->overwrite, "files in --out that prepare did not write");
  auto json = std::make_shared<bool>(false);
  add_json(app, *json);
  app.callback([options, json] { print(prepare(*options), *json); });
}

}  // namespace falconer::cli
