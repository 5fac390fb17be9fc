// falconer prepare: examples to token ids, once.
#include "data/prepare.h"

#include <nlohmann/json.hpp>

#include "api/common.h"
#include "api/finetune/run_place.h"
#include "api/model/resolve.h"
#include "api/settings/bounds.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/plural.h"
#include "data/formats.h"
#include "data/report.h"
#include "falconer/data.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace falconer {

std::vector<std::string> data_formats() { return data_format_names(); }

namespace {

std::string json_of(const PrepareOptions& options, int64_t longest, const LoadedData& data) {
  const DataReport& r = data.report;
  const nlohmann::ordered_json json = {{"input", options.input},
                                       {"out", options.out},
                                       {"format", data.rendered.format},
                                       {"prompt_style", data.rendered.prompt_style},
                                       {"train_rows", data.rows().size()},
                                       {"held_out_rows", data.held_out().size()},
                                       {"tokens", r.tokens},
                                       {"targets", r.targets},
                                       {"longest", r.longest},
                                       {"max_seq_length", longest},
                                       {"truncated", r.truncated},
                                       {"without_targets", r.without_targets},
                                       {"duplicates", r.duplicates},
                                       {"columns", r.columns},
                                       {"unread_columns", r.unread},
                                       {"bad", r.bad},
                                       {"first_bad", r.first_bad}};
  return json_text(json, 2) + "\n";
}

}  // namespace

PrepareReport prepare(const PrepareOptions& options) {
  check_bounds(options);
  if (options.prompt_ending != "colon" && options.prompt_ending != "newline")
    fail_usage("--prompt-ending is \"{}\", expected colon or newline", options.prompt_ending);
  if (options.tokenize != "joint" && options.tokenize != "separate")
    fail_usage("--tokenize is \"{}\", expected joint or separate", options.tokenize);
  if (options.prompt_ending == "colon" && !options.prompt_style.empty())
    fail_usage("--prompt-ending colon is the style alpaca-colon, and --prompt-style is {}",
               options.prompt_style);
  find_data_format(options.data_format);
  Columns::parse(options.columns);
  const ReadAs as = read_as(options.delimiter, options.encoding);
  if (!options.prompt_style.empty()) PromptStyle::check(options.prompt_style);
  const TrainOn train_on = train_on_of(options.train_on, options.mask_prompt);
  const std::string checkpoint = resolve_checkpoint(options.checkpoint, CheckpointPart::kTokenizer);
  refuse_inside_model(options.out, checkpoint);
  const Tokenizer tokenizer = load_tokenizer(checkpoint);
  // Rows are cut where finetune would cut them.
  const std::optional<ModelConfig> config = find_model_config(checkpoint);
  const bool context_ends = config && config->context < options.max_seq_length;
  const int64_t longest = context_ends ? config->context : options.max_seq_length;
  PrepareSettings settings{.input = resolve_data(options.input),
                           .out = options.out,
                           .checkpoint = options.checkpoint,
                           .checkpoint_files = checkpoint,
                           .overwrite = options.overwrite};
  settings.load = {
      .encode = {.train_on = train_on,
                 .joint_tokenization = options.tokenize == "joint",
                 .parse_special = options.parse_special,
                 .keep_eos = options.keep_eos,
                 .max_seq_length = longest},
      .vocab = tokenizer.vocab_size(),
      .test_size = options.test_size,
      .split_seed = options.seed,
      .skip_bad = options.skip_bad,
      .columns = options.columns,
      .strict_columns = options.strict_columns,
      .read_as = as,
      .format = options.data_format,
      .prompt_style = options.prompt_ending == "colon" ? "alpaca-colon" : options.prompt_style,
      .checkpoint = template_files(checkpoint)};
  const LoadedData data = prepare_dataset(settings, tokenizer);
  std::string text = report_text(data.report, options.input);
  text += rendered_text(data.rendered);
  if (context_ends && data.report.truncated + data.held_out_report.truncated > 0)
    text += fmt::format("rows are cut at {} tokens, the model's context\n", longest);
  const int64_t train = data.rows().size(), test = data.held_out().size();
  text += fmt::format("train: {} {}, test: {} {}, in {}\n", train, plural(train, "row"), test,
                      plural(test, "row"), options.out);
  if (!data.rows().empty()) text += show_first_row(data.rows(), tokenizer);
  return {.text = std::move(text), .json = json_of(options, longest, data)};
}

}  // namespace falconer
