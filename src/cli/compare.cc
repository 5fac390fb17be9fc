// falconer compare
#include "falconer/compare.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/log.h"
#include "base/streams.h"
#include "cli/finetune_flags.h"
#include "cli/parse.h"
#include "cli/print.h"
#include "cli/recipe_flags.h"
#include "falconer/process.h"

namespace falconer::cli {
namespace {

struct CompareFlags {
  FinetuneOptions common;
  std::vector<std::string> recipes, methods;
  CompareOptions compare;
  bool json = false;
};

// A recipe's or a method's run, with what the command line says of all runs.
FinetuneOptions options_of(const std::vector<std::string>& words) {
  Command scratch("compare");
  FinetuneOptions options;
  add_finetune_flags(scratch, options);
  parse(scratch, words);
  return options;
}

// What was given to compare itself and is a finetuning flag, as words.
std::vector<std::string> common_words(const Command& command, const Command& finetune) {
  std::vector<std::string> words;
  for (const Flag& flag : command.flags()) {
    if (flag.given.empty() || flag.long_names.empty()) continue;
    const std::string name = "--" + flag.long_names.front();
    if (name == "--out" || name == "--config" || name == "--overwrite" ||
        find_flag(finetune, name) == nullptr)
      continue;
    for (const std::string& value : flag.given) words.push_back(name + "=" + value);
  }
  return words;
}

CompareRun run_of_recipe(const Command& root, const Command& command, const Command& finetune,
                         const std::string& path, std::vector<std::string> words) {
  for (const RecipeFlag& flag : read_recipe(root, finetune, path)) {
    const std::string name = flag.word.substr(0, flag.word.find('='));
    const Flag* given = find_flag(command, name);
    const bool of_compare = flag.option->is_named("--out") || flag.option->is_named("--resume") ||
                            flag.option->is_named("--overwrite");
    if (!of_compare && (given == nullptr || given->given.empty())) words.push_back(flag.word);
  }
  CompareRun run{std::filesystem::path(path).stem().string(), options_of(words)};
  run.options.recipe = path;
  return run;
}

void run(const CompareFlags& flags, const Command& command) {
  const Command& root = *command.parent();
  const Command& finetune = *find_command(root, "finetune");
  CompareOptions compare_options = flags.compare;
  const std::vector<std::string> common = common_words(command, finetune);
  for (const std::string& path : flags.recipes)
    compare_options.runs.push_back(run_of_recipe(root, command, finetune, path, common));
  std::vector<std::string> methods = flags.methods;
  if (methods.empty() && flags.recipes.empty()) methods = finetuning_methods();
  for (const std::string& method : methods) {
    std::vector<std::string> words = common;
    words.push_back("--method=" + method);
    compare_options.runs.push_back({method, options_of(words)});
  }
  compare_options.threads = threads_of(command);
  handle_interrupts();
  const CompareReport report = compare(compare_options);
  print_result(flags.json ? report.json : report.text);
  log_info("{}: the same with charts", report.page);
}

}  // namespace

void add_compare(Command& command) {
  auto flags = std::make_shared<CompareFlags>();
  command.add("recipes", &flags->recipes,
              "a recipe for each run; flags given beside them go for all",
              {.kind = ValueKind::kFile});
  command.add("--methods", &flags->methods,
              "runs with these methods' defaults (default without recipes: all four)",
              {.choices = finetuning_methods(), .delimiter = ',', .one_each = true});
  add_settings(command, settings_of(flags->compare));
  add_json(command, flags->json);
  add_common_run_flags(command, flags->common);
  command.does([flags, &command] { run(*flags, command); });
}

}  // namespace falconer::cli
