// falconer inspect DIR or FILE.gguf
#include <iostream>

#include "cli/command.h"
#include "falconer/checkpoint.h"

namespace falconer::cli {

void add_inspect(CLI::App& app) {
  struct Flags {
    std::string checkpoint;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  app.add_option(
         "checkpoint,--checkpoint,--checkpoint-dir", flags->checkpoint,
         "model: a folder (Hugging Face's or LitGPT's), a GGUF file, or org/name on the hub")
      ->required();
  app.add_flag("--json", flags->json, "one JSON object instead of text");
  app.callback([flags] {
    const InspectReport report = inspect(flags->checkpoint);
    std::cout << (flags->json ? report.json : report.text);
  });
}

}  // namespace falconer::cli
