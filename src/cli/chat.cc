// falconer chat: one question, one answer, in the terminal.
#include <unistd.h>

#include <iostream>

#include "cli/sampling_flags.h"

namespace falconer::cli {
namespace {

struct Flags {
  ModelOptions model;
  SamplingSettings sampling;
  bool raw = false;
};

void run(const Flags& flags) {
  Model model = Model::open(flags.model);
  const bool terminal = ::isatty(STDIN_FILENO) != 0;
  if (terminal) std::cerr << "An empty line ends the chat.\n";
  std::string line;
  for (;;) {
    if (terminal) std::cerr << ">> Prompt: " << std::flush;
    if (!std::getline(std::cin, line)) {
      if (terminal) std::cerr << "\n";
      break;
    }
    if (line.empty() || line == "!quit") break;
    if (terminal) std::cerr << ">> Reply: " << std::flush;
    model.generate({model.encode_prompt(line, "", flags.raw)}, flags.sampling,
                   [](size_t, std::string_view text) { std::cout << text << std::flush; });
    std::cout << "\n" << std::flush;
  }
}

}  // namespace

void add_chat(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  add_checkpoint(app, flags->model.checkpoint);
  add_adapter(app, flags->model.adapter);
  app.add_flag("--raw", flags->raw, "no prompt style");
  app.add_option("--precision", flags->model.precision, "auto (the checkpoint's), f32 or bf16")
      ->capture_default_str();
  add_prompt_style(app, flags->model);
  add_sampling_flags(app, flags->sampling);
  app.callback([flags] { run(*flags); });
}

}  // namespace falconer::cli
