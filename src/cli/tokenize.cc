// falconer tokenize
#include "cli/command.h"
#include "falconer/data.h"

namespace falconer::cli {

void add_tokenize(Command& command) {
  auto options = std::make_shared<TokenizeOptions>();
  options->input = options->output = "-";
  add_checkpoint(command, options->checkpoint);
  command.add("--input", &options->input,
              "JSONL rows {\"text\"} (with --decode: {\"ids\"}); - is stdin",
              {.kind = ValueKind::kFile});
  command.add("--output", &options->output,
              "JSONL rows {\"ids\"} (with --decode: {\"text\"}); - is stdout",
              {.kind = ValueKind::kFile});
  command.add("--decode", &options->decode, "ids to text");
  command.add(
      "--chat", &options->chat,
      "rows of messages, or of any other data format, to {\"text\", \"ids\"}: what a model is "
      "given");
  command.add("--prompt-style", &options->prompt_style,
              "with --chat (default: chat, the checkpoint's own template)");
  add_parse_special(command, options->parse_special, "messages");
  add_overwrite(command, options->overwrite, "a file that Falconer did not write");
  command.does([options] {
    if (options->chat && options->decode) throw Error("give one of --chat and --decode", 2);
    tokenize(*options);
  });
}

}  // namespace falconer::cli
