// The program: a table of commands, and the one place that turns errors into messages and exit
// codes.

#include <string>
#include <string_view>
#include <vector>

#include "base/current_error.h"
#include "base/joined.h"
#include "base/log.h"
#include "base/spelling.h"
#include "base/streams.h"
#include "base/terminal.h"
#include "cli/help.h"
#include "cli/help_json.h"
#include "cli/manual.h"
#include "cli/method_flags.h"
#include "cli/parse.h"
#include "cli/recipe_flags.h"
#include "cli/words.h"
#include "falconer/build.h"
#include "falconer/process.h"

// What the program was built from; empty where that is not known (cmake/record_commit.cmake).
extern const char* const falconer_commit;

namespace {

using falconer::ValueKind;
using falconer::cli::Command;

struct Entry {
  const char* name;
  const char* help;
  void (*add)(Command&);
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
    {"completions", "print what lets a shell complete commands, flags and their values",
     falconer::cli::add_completions},
};

// A name out of a file may be in any message.
void say_error(const std::string& what) {
  falconer::print_message(
      falconer::laid_out(falconer::red("falconer:") + " " + falconer::visible(what)) + "\n");
}

// What a report of a mistake should have; the first line is the program's name and version.
std::string version_lines() {
  const falconer::BuildInfo build = falconer::build_info();
  const std::string commit = falconer_commit;
  return fmt::format(
      "falconer {}{}\ncompiler: {}\ninstruction sets of products here: {}\ndevices: {}",
      falconer::version(), commit.empty() ? "" : " (commit " + commit + ")", build.compiler,
      falconer::joined(build.instruction_sets, ", "), falconer::joined(build.devices, ", "));
}

struct ProgramFlags {
  std::string log = "info";
  bool quiet = false, verbose = false;
  int threads = 0;
};

void add_flags(Command& program, ProgramFlags& flags) {
  program.version = version_lines;
  program.add("-V,--version", {}, "Display program version information and exit");
  program.add("--log", &flags.log, "quiet, warning, info or debug",
              {.shows_default = true, .offers = {"quiet", "warning", "info", "debug"}});
  program.add("-q,--quiet", &flags.quiet, "as --log quiet");
  program.add("-v,--verbose", &flags.verbose, "as --log debug");
  program.add("--threads", &flags.threads,
              "threads to compute with (default: OMP_NUM_THREADS, else all cores it may use)");
}

void add_commands(Command& program) {
  for (const Entry& entry : kCommands) {
    Command& command = program.add_command(entry.name, entry.help);
    command.footer = "--threads N, --log LEVEL, -q (quiet) and -v (verbose) go with every command.";
    command.add("--config", &command.recipe,
                "recipe: a TOML file whose keys are flags of this command",
                {.value_name = "FILE", .kind = ValueKind::kFile});
    entry.add(command);
  }
}

void apply(const Command& program, const ProgramFlags& flags) {
  falconer::set_verbosity(flags.verbose ? "debug" : flags.quiet ? "quiet" : flags.log);
  falconer::set_threads(flags.threads);
  for (const std::string& line : falconer::cli::repeats_in(program)) falconer::log_info("{}", line);
}

int run(int argc, char** argv) {
  falconer::set_output_look(falconer::look_of_stdout());
  Command program(
      "falconer",
      "Falconer: finetune Falcon models with LoRA, LLaMA-Adapter, Adapter v2 or full updates, "
      "on your own data and machine, and use the result.\n");
  ProgramFlags flags;
  add_flags(program, flags);
  add_commands(program);
  const std::string_view asked =
      argc == 3 && argv[1] == std::string_view("help") ? argv[2] : std::string_view();
  if (asked == "--json" || asked == "--man") {
    falconer::print_result(asked == "--json" ? falconer::cli::help_json(program)
                                             : falconer::cli::manual(program));
    return 0;
  }
  std::vector<std::string> words = falconer::cli::words_of(program, argc, argv);
  if (words.empty()) {
    falconer::print_message(falconer::cli::help_text(program));
    return 2;
  }
  std::vector<falconer::cli::RecipeFlag> recipe;
  const std::vector<std::string> typed = words;
  words = falconer::cli::with_recipe(program, words, recipe);
  falconer::cli::refuse_flags_of_other_methods(program, typed, words);
  try {
    const falconer::cli::Parsed parsed = falconer::cli::parse(program, words);
    if (!parsed.text.empty()) {
      falconer::print_result(parsed.text);
      return 0;
    }
    apply(program, flags);
    if (const std::string said = falconer::cli::overruled_in(program, typed); !said.empty())
      falconer::log_warning("{}", said);
    parsed.command->run();
  } catch (const falconer::cli::WrongCommandLine& error) {
    const std::string place = falconer::cli::place_of(error.what(), recipe);
    say_error(place + (place.empty() ? "" : ": ") +
              falconer::cli::explain(program, words, error.what()));
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
  } catch (...) {
    falconer::CurrentError error = falconer::current_error();
    if (error.kind == falconer::CurrentError::Kind::kBug)
      error.text += "\nThis is a bug in falconer; please report it with the command.";
    if (error.exit_code != falconer::kExitReaderGone) say_error(error.text);
    return error.exit_code;
  }
}

}  // namespace

int main(int argc, char** argv) {
  falconer::set_spelling(falconer::Spelling::kFlags);
  return ended([&] {
    falconer::prepare_streams();
    const int code = run(argc, argv);
    if (code == 0) falconer::finish_results();
    return code;
  });
}
