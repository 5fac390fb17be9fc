// falconer tokenize
#include "cli/command.h"
#include "falconer/data.h"

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
  app.add_flag(
      "--chat", options->chat,
      "rows of messages, or of any other data format, to {\"text\", \"ids\"}: what a model is "
      "given");
  app.add_option("--prompt-style", options->prompt_style,
                 "with --chat (default: chat, the checkpoint's own template)");
  add_parse_special(app, options->parse_special, "messages");
  add_overwrite(app, options->overwrite, "a file that Falconer did not write");
  app.callback([options] {
    if (options->chat && options->decode) throw Error("give one of --chat and --decode", 2);
    tokenize(*options);
  });
}

}  // namespace falconer::cli
