#include "cli/finetune_flags.h"

#include <set>

namespace falconer::cli {
namespace {

// Those of one run alone, which a comparison has several of; and what becomes of an earlier run.
const std::set<std::string> kOfOneRun = {"method", "out"};
const std::set<std::string> kOfAnEarlierRun = {"overwrite", "resume"};

void add_group(Command& command, const Setting& setting) {
  command.group(setting.group);
  Flag& flag = add_setting(command, setting);
  if (setting.name == "max-steps") flag.traits.zero_too = "-1";  // of transformers' Trainer
}

}  // namespace

void add_common_run_flags(Command& command, FinetuneOptions& options) {
  for (Setting& setting : settings_of(options)) {
    if (kOfOneRun.contains(setting.name) || kOfAnEarlierRun.contains(setting.name)) continue;
    setting.required = false;  // a recipe may say it
    setting.bare.clear();      // bare words are recipes
    add_group(command, setting);
  }
}

void add_finetune_flags(Command& command, FinetuneOptions& options) {
  for (Setting& setting : settings_of(options)) {
    if (kOfAnEarlierRun.contains(setting.name)) continue;
    if (setting.name == "method") setting.group.clear();
    add_group(command, setting);
  }
}

void add_earlier_run_flags(Command& command, FinetuneOptions& options) {
  for (const Setting& setting : settings_of(options))
    if (kOfAnEarlierRun.contains(setting.name)) add_setting(command, setting);
}

}  // namespace falconer::cli
