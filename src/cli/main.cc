// The program: a table of commands, and the one place that turns errors into messages and exit
// codes.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "cli/command.h"
#include "falconer/falconer.h"

namespace {

struct Entry {
  const char* name;
  const char* help;
  void (*add)(CLI::App&);
};

constexpr Entry kCommands[] = {
    {"inspect", "show what a checkpoint is and what each method would train",
     falconer::cli::add_inspect},
    {"tokenize", "text to token ids and back", falconer::cli::add_tokenize},
    {"prepare", "tokenize a file of examples once, split into train and test",
     falconer::cli::add_prepare},
    {"plan", "show the memory a finetuning run would take", falconer::cli::add_plan},
    {"finetune", "train with lora, adapter, adapter-v2 or full", falconer::cli::add_finetune},
    {"generate", "answer prompts", falconer::cli::add_generate},
    {"chat", "talk to a model in the terminal", falconer::cli::add_chat},
    {"score", "losses, log-probabilities and logits of rows", falconer::cli::add_score},
    {"evaluate", "answer rows and count the answers that are exactly right",
     falconer::cli::add_evaluate},
    {"merge", "fold an adapter into a model of its own", falconer::cli::add_merge},
};

// Flags are accepted with - and _ alike: "--max_steps=3" is "--max-steps=3".
std::vector<std::string> normalised(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {
    std::string argument = argv[i];
    if (argument.starts_with("--")) {
      const size_t end = std::min(argument.find('='), argument.size());
      for (size_t k = 2; k < end; ++k)
        if (argument[k] == '_') argument[k] = '-';
    }
    arguments.push_back(argument);  // CLI11 takes them last first
  }
  return arguments;
}

int run(int argc, char** argv) {
  CLI::App app{
      "Falconer: finetune Falcon models with LoRA, LLaMA-Adapter, Adapter v2 or full updates,\n"
      "on your own data and machine, and use the result.\n"};
  app.name("falconer");
  app.set_version_flag("--version", "falconer 0.1.0");
  app.require_subcommand(1);
  app.fallthrough();
  std::string log = "info";
  int threads = 0;
  app.add_option("--log", log, "quiet, warning, info or debug")->capture_default_str();
  app.add_option("--threads", threads, "threads to compute with (default: all cores)");
  app.parse_complete_callback([&] {
    falconer::set_verbosity(log);
    falconer::set_threads(threads);
  });
  for (const Entry& entry : kCommands) entry.add(*app.add_subcommand(entry.name, entry.help));
  try {
    app.parse(normalised(argc, argv));
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "falconer: %s\nTry 'falconer --help' or 'falconer COMMAND --help'.\n",
                 error.what());
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const falconer::Error& error) {
    std::fprintf(stderr, "falconer: %s\n", error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "falconer: out of memory\n");
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr,
                 "falconer: %s\nThis is a bug in falconer; please report it with the command.\n",
                 error.what());
    return 1;
  }
}
