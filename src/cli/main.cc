// The program: a table of commands, and the one place that turns errors into messages and exit
// codes.

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/current_error.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/joined.h"
#include "base/log.h"
#include "base/one_of_many.h"
#include "base/process.h"
#include "base/spelling.h"
#include "base/streams.h"
#include "base/system.h"
#include "base/terminal.h"
#include "cli/help.h"
#include "cli/help_json.h"
#include "cli/manual.h"
#include "cli/method_flags.h"
#include "cli/parse.h"
#include "cli/rank_flags.h"
#include "cli/recipe_flags.h"
#include "cli/words.h"
#include "falconer/build.h"
#include "falconer/process.h"
#include "falconer/ranks.h"

// What the program was built from; empty where that is not known (cmake/record_commit.cmake).
extern const char* const falconer_commit;

namespace {

using falconer::ValueKind;
using falconer::cli::Command;

struct Entry {
  const char* name;
  const char* help;
  void (*add)(Command&);
  bool on_ranks = false;       // several work on it together
  const char* next_step = "";  // where a signal has ended one of them
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
    {"finetune", "train with lora, adapter, adapter-v2 or full", falconer::cli::add_finetune, true,
     "; --resume auto goes on from the last checkpoint, or begins anew where there is none"},
    {"generate", "answer prompts", falconer::cli::add_generate, true},
    {"chat", "talk to a model in the terminal", falconer::cli::add_chat},
    {"serve", "answer clients of OpenAI's interface over HTTP, with any number of adapters",
     falconer::cli::add_serve},
    {"score", "losses, log-probabilities and logits of rows", falconer::cli::add_score, true},
    {"evaluate", "answer rows and judge the answers; perplexity of a text",
     falconer::cli::add_evaluate, true},
    {"merge", "fold an adapter into a model of its own", falconer::cli::add_merge},
    {"export", "write a model or an adapter for transformers, PEFT, LitGPT or llama.cpp",
     falconer::cli::add_export},
    {"quantize", "write a model in 2 to 8 bits, for llama.cpp and Falconer",
     falconer::cli::add_quantize},
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

const Entry& entry_of(const Command& command) {
  return *std::find_if(std::begin(kCommands), std::end(kCommands),
                       [&](const Entry& entry) { return entry.name == command.name(); });
}

// A name out of a file may be in any message.
void say_error(const std::string& what) {
  falconer::print_message(
      falconer::laid_out(falconer::red("falconer:") + " " + falconer::visible(what)) + "\n");
}

// Others are given this long to end the job before a rank that is not the first says what it found: of what all
// find, as a file that is missing, the first then speaks for all.
constexpr double kFirstSpeaks = 0.7, kAllFound = 5;  // the latter of a wrong command line

// Says what ended this process, and takes the other ranks of its job with it. Returns what to end with.
int ended_by(const std::string& what, int code) {
  const falconer::StartedRank rank = falconer::started_rank();
  if (!falconer::is_one_of_many()) {
    say_error(what);
    return code;
  }
  // Told to stop, all have saved and come here; or a signal found some of them at something else.
  if (falconer::interrupted()) {
    code = falconer::interrupt_exit_code();
    if (rank.first()) say_error(what);
    if (!falconer::end_job_together()) falconer::abort_job(code);
    return code;
  }
  if (rank.first() && code == falconer::kExitUsage) {
    say_error(what);
  } else if (rank.first() ||
             !falconer::told_to_end(code == falconer::kExitUsage ? kAllFound : kFirstSpeaks)) {
    say_error(fmt::format("rank {} on {}: {}", rank.rank, falconer::host_name(), what));
    if (!rank.first()) falconer::log_info("{}", what);
  }
  falconer::abort_job(code);
  return code;
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

void add_commands(Command& program, falconer::cli::RankFlags& ranks) {
  for (const Entry& entry : kCommands) {
    Command& command = program.add_command(entry.name, entry.help);
    command.footer = "--threads N, --log LEVEL, -q (quiet) and -v (verbose) go with every command.";
    command.add("--config", &command.recipe,
                "recipe: a TOML file whose keys are flags of this command",
                {.value_name = "FILE", .kind = ValueKind::kFile});
    entry.add(command);
    if (entry.on_ranks) falconer::cli::add_rank_flags(command, ranks);
  }
}

void apply(const Command& program, const ProgramFlags& flags) {
  falconer::set_verbosity(flags.verbose ? "debug" : flags.quiet ? "quiet" : flags.log);
  falconer::set_threads(flags.threads);
  for (const std::string& line : falconer::cli::repeats_in(program)) falconer::log_info("{}", line);
}

// What the command does, on this process alone, as a rank, or by starting the ranks.
int run_command(const Command& command, const falconer::cli::RankFlags& flags,
                std::vector<std::string> words) {
  const falconer::StartedRank started = falconer::started_rank();
  const Entry& entry = entry_of(command);
  if (!entry.on_ranks && !started.alone()) {
    if (started.first())
      say_error("several processes were started, and " + command.name() +
                " works on one: leave mpirun or srun out");
    return falconer::kExitUsage;
  }
  if (entry.on_ranks) {
    falconer::cli::check_rank_flags(flags, started);
    if (const auto ranks = flags.ranks.value_or(1); started.alone() && ranks > 1) {
      words.front() = falconer::this_program();
      return falconer::cli::launch_ranks(static_cast<int>(ranks), words, entry.next_step);
    }
    falconer::cli::check_rank_flags(flags, falconer::join_job(flags.timeout));
  }
  command.run();
  return 0;
}

int run(int argc, char** argv) {
  falconer::set_output_look(falconer::look_of_stdout());
  Command program(
      "falconer",
      "Falconer: finetune Falcon models with LoRA, LLaMA-Adapter, Adapter v2 or full updates, "
      "on your own data and machine, and use the result.\n");
  ProgramFlags flags;
  add_flags(program, flags);
  falconer::cli::RankFlags ranks;
  add_commands(program, ranks);
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
    return run_command(*parsed.command, ranks, {argv, argv + argc});
  } catch (const falconer::cli::WrongCommandLine& error) {
    const std::string place = falconer::cli::place_of(error.what(), recipe);
    throw falconer::Error(
        place + (place.empty() ? "" : ": ") + falconer::cli::explain(program, words, error.what()),
        falconer::kExitUsage);
  } catch (const falconer::Error& error) {
    const std::string what = error.what();  // "--epochs is 0; ..." may be a recipe's
    const std::string place = what.starts_with("--") ? falconer::cli::place_of(what, recipe) : "";
    if (place.empty()) throw;
    throw falconer::Error(place + ": " + what, error.exit_code());
  }
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
    if (error.exit_code == falconer::kExitReaderGone && !falconer::is_one_of_many())
      return error.exit_code;
    return ended_by(error.text, error.exit_code);
  }
}

}  // namespace

int main(int argc, char** argv) {
  falconer::set_spelling(falconer::Spelling::kFlags);
  return ended([&] {
    falconer::prepare_streams();
    const falconer::StartedRank rank = falconer::started_rank();
    if (rank.by_mpirun) falconer::be_started_by_mpirun();
    if (!rank.alone()) falconer::be_one_of_many(rank.first());
    const int code = run(argc, argv);
    if (code == 0) falconer::finish_results();
    falconer::leave_job();
    return code;
  });
}
