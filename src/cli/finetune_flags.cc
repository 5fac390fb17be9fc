#include "cli/finetune_flags.h"

#include <algorithm>
#include <set>

#include "cli/setting_flags.h"
#include "falconer/data.h"

namespace falconer::cli {
namespace {

// Those of one run alone, which a comparison has several of; and what becomes of an earlier run.
const std::set<std::string> kOfOneRun = {"method", "out"};
const std::set<std::string> kOfAnEarlierRun = {"overwrite", "resume"};

}  // namespace

void add_run_flags(Command& command, FinetuneOptions& options, bool bare) {
  for (const Setting& setting : settings_of(options)) {
    if (kOfOneRun.contains(setting.name) || kOfAnEarlierRun.contains(setting.name)) continue;
    command.group(setting.group);
    Flag& flag =
        add_setting(command, setting, bare && setting.name == "checkpoint" ? "checkpoint" : "");
    if (setting.name == "data-format") flag.traits.choices = setting.choices;
    if (setting.name == "max-steps") flag.traits.zero_too = "-1";  // of transformers' Trainer
  }
}

void add_finetune_flags(Command& command, FinetuneOptions& options) {
  const std::vector<Setting> settings = settings_of(options);
  const auto setting = [&](const char* name) {
    return *std::find_if(settings.begin(), settings.end(),
                         [&](const Setting& one) { return one.name == name; });
  };
  add_setting(command, setting("method"), "method").traits.choices = setting("method").choices;
  add_run_flags(command, options, true);
  add_setting(command, setting("out"));
}

void add_earlier_run_flags(Command& command, FinetuneOptions& options) {
  for (const Setting& setting : settings_of(options))
    if (kOfAnEarlierRun.contains(setting.name)) add_setting(command, setting);
}

}  // namespace falconer::cli
