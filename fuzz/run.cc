// What a run leaves and another reads: a recipe, records, the state, metrics.
#include "base/error.h"
#include "base/toml.h"
#include "falconer/falconer.h"
#include "folder.h"
#include "targets.h"
#include "train/metrics.h"
#include "train/run_folder.h"
#include "train/run_status.h"

namespace falconer::fuzz {

void fuzz_recipe(Input input) {
  for (const TomlEntry& entry : parse_toml(input, "recipe.toml"))
    for (const std::string& value : entry.values) {
      const auto again = parse_toml("key = " + toml_string(value), "again");
      FALCONER_CHECK(again.size() == 1 && again[0].values == std::vector{value});
    }
}

void fuzz_run_folder(Input input) {
  static const Folder folder("run_folder");
  if (input.empty()) return;
  constexpr const char* kNames[] = {"falconer.json", "trainer_state.json", "status.json",
                                    "metrics.jsonl", "recipe.toml",        "metrics.csv"};
  for (const char* name : kNames) folder.remove(name);
  folder.put(kNames[static_cast<unsigned char>(input[0]) % std::size(kNames)], input.substr(1));
  const auto attempt = [](auto&& what) {
    try {
      what();
    } catch (const Error&) {
    }
  };
  attempt([] { read_record(folder.path()); });
  attempt([] { read_train_state(folder.path()); });
  attempt([] {
    if (const auto status = read_status(folder.path())) is_alive(*status, folder.path());
  });
  for (const char* sort : {"loss", "speed", "memory", "started"})
    attempt([&] { list_runs(folder.path().string(), sort); });
  attempt([] { MetricsLog(folder.path(), 3, false); });
}

}  // namespace falconer::fuzz
