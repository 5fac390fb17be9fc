// The program: a table of commands, and the one place that turns errors into messages and exit
// codes.
#include <exception>
#include <filesystem>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/streams.h"
#include "base/terminal.h"
#include "cli/help.h"
#include "cli/number_flags.h"
#include "cli/recipe_flags.h"
#include "cli/words.h"
#include "falconer/process.h"

namespace {

struct Entry {
  const char* name;
  const char* help;
  void (*add)(CLI::App&);
};

constexpr Entry kCommands[] = {
    {"download", "fetch a model or a dataset from the hub", falconer::cli::add_download},
    {"inspect", "show what a checkpoint is and what each method would train",
     falconer::cli::add_inspect},
    {"tokenize", "text to token ids and back", falconer::cli::add_tokenize},
    {"prepare", "tokenize a file of examples once, split into train and test",
     falconer::cli::add_prepare},
    {"check", "look for what is wrong with data before training on it", falconer::cli::add_check},
    {"plan", "show the memory a finetuning run would take", falconer::cli::add_plan},
    {"finetune", "train with lora, adapter, adapter-v2 or full", falconer::cli::add_finetune},
    {"generate", "answer prompts", falconer::cli::add_generate},
    {"chat", "talk to a model in the terminal", falconer::cli::add_chat},
    {"score", "losses, log-probabilities and logits of rows", falconer::cli::add_score},
    {"evaluate", "answer rows and count the answers that are exactly right",
     falconer::cli::add_evaluate},
    {"merge", "fold an adapter into a model of its own", falconer::cli::add_merge},
    {"export", "write a model or an adapter for transformers, PEFT, LitGPT or llama.cpp",
     falconer::cli::add_export},
    {"runs", "list finetuning runs side by side", falconer::cli::add_runs},
    {"verify", "look again at all that a run saved, and at what it was made from",
     falconer::cli::add_verify},
    {"selftest", "check this machine's arithmetic against built-in numbers",
     falconer::cli::add_selftest},
    {"compare", "train with several methods on the same rows and report on them",
     falconer::cli::add_compare},
};

// A name out of a file may be in any message.
void say_error(const std::string& what) {
  falconer::print_message(
      falconer::laid_out(falconer::red("falconer:") + " " + falconer::visible(what)) + "\n");
}

int run(int argc, char** argv) {
  falconer::set_output_look(falconer::look_of_stdout());
  CLI::App app{
      "Falconer: finetune Falcon models with LoRA, LLaMA-Adapter, Adapter v2 or full updates, "
      "on your own data and machine, and use the result.\n"};
  app.name("falconer");
  falconer::cli::set_help_style(app);
  app.set_version_flag("-V,--version", "falconer " + falconer::version());
  app.require_subcommand(1);
  app.fallthrough();
  std::string log = "info";
  int threads = 0;
  app.add_option("--log", log, "quiet, warning, info or debug")->capture_default_str();
  app.add_flag_callback(
      "-q,--quiet", [&log] { log = "quiet"; }, "as --log quiet");
  app.add_flag_callback(
      "-v,--verbose", [&log] { log = "debug"; }, "as --log debug");
  app.add_option("--threads", threads,
                 "threads to compute with (default: OMP_NUM_THREADS, else all cores it may use)");
  app.parse_complete_callback([&] {
    falconer::set_verbosity(log);
    falconer::set_threads(threads);
    for (const std::string& line : falconer::cli::repeats_in(app)) falconer::log_info("{}", line);
  });
  for (const Entry& entry : kCommands) {
    CLI::App* command = app.add_subcommand(entry.name, entry.help);
    command->group("Commands");
    command->footer("--threads N, --log LEVEL, -q (quiet) and -v (verbose) go with every command.");
    command->add_option("--config", "recipe: a TOML file whose keys are flags of this command")
        ->type_name("FILE");
    entry.add(*command);
    falconer::cli::check_numbers(*command);
  }
  falconer::cli::check_numbers(app);
  falconer::cli::let_the_last_count(app);
  std::vector<std::string> words = falconer::cli::words_of(app, argc, argv);
  if (words.empty()) {
    falconer::print_message(app.help());
    return 2;
  }
  std::vector<falconer::cli::RecipeFlag> recipe;
  words = falconer::cli::with_recipe(app, words, recipe);
  try {
    app.parse(std::vector(words.rbegin(), words.rend()));  // CLI11 takes them last first
  } catch (const CLI::Success& success) {                  // --help, --version
    std::ostringstream said;
    app.exit(success, said, said);
    falconer::print_result(said.str());
  } catch (const CLI::ParseError& error) {
    const std::string place = falconer::cli::place_of(error.what(), recipe);
    say_error(place + (place.empty() ? "" : ": ") + falconer::cli::explain(app, words, error));
    return 2;
  } catch (const falconer::Error& error) {
    const std::string what = error.what();  // "--epochs is 0; ..." may be a recipe's
    const std::string place = what.starts_with("--") ? falconer::cli::place_of(what, recipe) : "";
    if (place.empty()) throw;
    throw falconer::Error(place + ": " + what, error.exit_code());
  }
  return 0;
}

// What `work` ends with, and what is said of an error that ends it.
template <class Work>
int ended(Work&& work) {
  try {
    return work();
  } catch (const falconer::Error& error) {
    if (error.exit_code() != falconer::kExitReaderGone) say_error(error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    say_error("out of memory");
    return 1;
  } catch (const std::length_error&) {  // more elements than any memory has
    say_error("out of memory");
    return 1;
  } catch (const std::filesystem::filesystem_error& error) {
    say_error(error.path1().string() + ": " + error.code().message());
    return 1;
  } catch (const std::exception& error) {
    say_error(std::string(error.what()) +
              "\nThis is a bug in falconer; please report it with the command.");
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  return ended([&] {
    falconer::prepare_streams();
    const int code = run(argc, argv);
    if (code == 0) falconer::finish_results();
    return code;
  });
}
