// falconer compare
#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/log.h"
#include "base/streams.h"
#include "cli/finetune_flags.h"
#include "cli/help.h"
#include "cli/number_flags.h"
#include "cli/recipe_flags.h"
#include "falconer/compare.h"
#include "falconer/process.h"

namespace falconer::cli {
namespace {

struct Flags {
  FinetuneOptions common;
  std::vector<std::string> recipes, methods;
  CompareOptions compare;
};

// A recipe's or a method's run, with what the command line says of all runs.
FinetuneOptions options_of(const std::vector<std::string>& words) {
  CLI::App scratch;
  scratch.name("compare");
  FinetuneOptions options;
  add_finetune_flags(scratch, options);
  check_numbers(scratch);
  scratch.parse(std::vector(words.rbegin(), words.rend()));
  return options;
}

// What was given to compare itself and is a finetuning flag, as words.
std::vector<std::string> common_words(const CLI::App& app, const CLI::App& finetune) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || option->get_lnames().empty()) continue;
    const std::string flag = "--" + option->get_lnames().front();
    if (flag == "--out" || flag == "--config" || flag == "--overwrite" ||
        find_flag(finetune, flag) == nullptr)
      continue;
    for (const std::string& value : option->results()) words.push_back(flag + "=" + value);
  }
  return words;
}

CompareRun run_of_recipe(const CLI::App& root, const CLI::App& app, const CLI::App& finetune,
                         const std::string& path, std::vector<std::string> words) {
  for (const RecipeFlag& flag : read_recipe(root, finetune, path)) {
    const std::string name = flag.word.substr(0, flag.word.find('='));
    const CLI::Option* given = find_flag(app, name);
    const bool of_compare = flag.option->check_name("--out") ||
                            flag.option->check_name("--resume") ||
                            flag.option->check_name("--overwrite");
    if (!of_compare && (given == nullptr || given->count() == 0)) words.push_back(flag.word);
  }
  CompareRun run{std::filesystem::path(path).stem().string(), options_of(words)};
  run.options.recipe = path;
  return run;
}

void run(const Flags& flags, const CLI::App& app) {
  const CLI::App& root = *app.get_parent();
  const CLI::App& finetune = *find_command(root, "finetune");
  CompareOptions compare_options = flags.compare;
  const std::vector<std::string> common = common_words(app, finetune);
  for (const std::string& path : flags.recipes)
    compare_options.runs.push_back(run_of_recipe(root, app, finetune, path, common));
  std::vector<std::string> methods = flags.methods;
  if (methods.empty() && flags.recipes.empty()) methods.assign(kMethods.begin(), kMethods.end());
  for (const std::string& method : methods) {
    std::vector<std::string> words = common;
    words.push_back("--method=" + method);
    compare_options.runs.push_back({method, options_of(words)});
  }
  if (const CLI::Option* threads = root.get_option("--threads"); threads->count() > 0)
    compare_options.threads = threads->as<int>();
  handle_interrupts();
  const CompareReport report = compare(compare_options);
  print_result(report.text);
  log_info("{}: the same with charts", report.page);
}

}  // namespace

void add_compare(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CompareOptions& o = flags->compare;
  app.add_option("recipes", flags->recipes,
                 "a recipe for each run; flags given beside them go for all");
  app.add_option("--methods", flags->methods,
                 "runs with these methods' defaults (default without recipes: all four)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(std::vector<std::string>(kMethods.begin(), kMethods.end())));
  app.add_option("--out,--out-dir", o.out, "folder of the comparison")->required();
  app.add_option("--ask", o.ask, "held-out rows that are answered; 0: none")->capture_default_str();
  app.add_option("--new-tokens", o.new_tokens,
                 "tokens of the answers whose speed is measured; 0: none is")
      ->capture_default_str();
  app.add_option("--repeats", o.repeats, "measurements of each speed; their median counts")
      ->capture_default_str();
  app.add_flag("--merge,!--no-merge", o.merge, "measure merged models as well (default)");
  app.add_flag("--overwrite", o.overwrite, "start anew instead of going on");
  add_run_flags(app, flags->common, false);
  for (const char* name : {"--checkpoint", "--data"}) app.get_option(name)->required(false);
  app.callback([flags, &app] { run(*flags, app); });
}

}  // namespace falconer::cli
