// falconer prepare: examples to token ids, once.
#include "data/prepare.h"

#include "api/common.h"
#include "api/resolve.h"
#include "base/error.h"
#include "data/report.h"
#include "falconer/falconer.h"
#include "text/tokenizer.h"

namespace falconer {

std::string prepare(const PrepareOptions& options) {
  if (options.prompt_ending != "colon" && options.prompt_ending != "newline")
    fail_usage("--prompt-ending is \"{}\", expected colon or newline", options.prompt_ending);
  if (options.tokenize != "joint" && options.tokenize != "separate")
    fail_usage("--tokenize is \"{}\", expected joint or separate", options.tokenize);
  const Tokenizer tokenizer =
      load_tokenizer(resolve_checkpoint(options.checkpoint, CheckpointPart::kTokenizer));
  PrepareSettings settings{.input = resolve_data(options.input), .out = options.out};
  settings.load = {
      .encode = {.prompt_style = options.prompt_ending == "colon" ? "alpaca-colon" : "alpaca",
                 .mask_prompt = options.mask_prompt,
                 .joint_tokenization = options.tokenize == "joint",
                 .keep_eos = options.keep_eos,
                 .max_seq_length = options.max_seq_length},
      .vocab = tokenizer.vocab_size(),
      .test_size = options.test_size,
      .split_seed = options.seed,
      .skip_bad = options.skip_bad};
  const LoadedData data = prepare_dataset(settings, tokenizer);
  std::string text = report_text(data.report, options.input);
  text += fmt::format("train: {} rows, test: {} rows, in {}\n", data.rows.size(),
                      data.held_out.size(), options.out);
  if (!data.rows.empty()) text += show_row(data.rows.front(), tokenizer);
  return text;
}

}  // namespace falconer
