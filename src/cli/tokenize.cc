// falconer tokenize
#include "cli/command.h"
#include "falconer/falconer.h"

namespace falconer::cli {

void add_tokenize(CLI::App& app) {
  auto options = std::make_shared<TokenizeOptions>();
  options->input = options->output = "-";
  add_checkpoint(app, options->checkpoint);
  app.add_option("--input", options->input,
                 "JSONL rows {\"text\"} (with --decode: {\"ids\"}); - is stdin");
  app.add_option("--output", options->output,
                 "JSONL rows {\"ids\"} (with --decode: {\"text\"}); - is stdout");
  app.add_flag("--decode", options->decode, "ids to text");
  app.callback([options] { tokenize(*options); });
}

}  // namespace falconer::cli
