#include "api/finetune/assumed.h"

#include <filesystem>

#include "api/finetune/finetune_options.h"
#include "base/error.h"
#include "base/json_file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/plural.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
constexpr const char* kConfigName = "config.json";

}  // namespace

AssumedWeights assumed_weights(const std::string& folder) {
  const fs::path path = fs::path(folder) / kConfigName;
  std::string said, by;
  if (is_there(path)) {
    const nlohmann::json json = read_config_object(path);
    for (const char* key : {"dtype", "torch_dtype"})
      if (json.contains(key) && json[key].is_string()) {
        said = json[key].get<std::string>();
        by = key;
      }
  }
  AssumedWeights assumed;
  if (said == "float32")
    assumed.dtype = Dtype::kF32;
  else if (said == "float16")
    assumed.dtype = Dtype::kF16;
  else if (said != "bfloat16")
    by = "which it does not say";
  assumed.why = fmt::format("planned from {} alone, weights assumed in {} ({})", kConfigName,
                            name_of(assumed.dtype), by);
  return assumed;
}

std::optional<std::string> folder_of_config(const std::string& name) {
  const fs::path path(name);
  std::error_code error;
  if (path.extension() != ".json" || !fs::is_regular_file(path, error)) return {};
  if (path.filename() != kConfigName)
    fail_usage("{}: a plan is made from a folder, or from its {}", name, kConfigName);
  return path.has_parent_path() ? path.parent_path().string() : ".";
}

// One is enough, in turn.
LoadedData assumed_rows(FinetuneOptions& o) {
  const RunLength length = run_length(o.batch_size, o.epochs, 1);
  o.batch_size = length.batch_size;
  o.epochs = length.epochs;
  const int64_t rows = length.batch_size, tokens = o.max_seq_length;
  log_info("no {}: planned for steps of {} {} of {} {}, all of which are learned",
           spelled("--data"), rows, plural(rows, "row"), tokens, plural(tokens, "token"));
  LoadedData data;
  data.train.store = std::make_unique<RowStore>(fs::temp_directory_path());
  const std::vector<int32_t> ids(static_cast<size_t>(tokens), 0);
  data.train.store->add({.ids = ids, .labels = ids, .line = 1});
  data.train.rows = data.train.store.get();
  data.train.order = std::vector<int64_t>(static_cast<size_t>(rows), 0);
  return data;
}

}  // namespace falconer
