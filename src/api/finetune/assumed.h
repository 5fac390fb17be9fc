// What a plan takes for granted where there are no weights, or no rows.
#pragma once

#include <optional>
#include <string>

#include "data/load.h"
#include "falconer/finetune.h"
#include "tensor/dtype.h"

namespace falconer {

/// What the weights of a model would be stored in of which config.json alone is there, and a line that says so.
struct AssumedWeights {
  Dtype dtype = Dtype::kBF16;
  std::string why;
};
AssumedWeights assumed_weights(const std::string& folder);

/// The folder of "folder/config.json", which means that file alone; nothing of any other path. Error (usage): a JSON
/// file of another name.
std::optional<std::string> folder_of_config(const std::string& path);

/// Those of one step, as long as they may be, all of whose tokens are learned; `options` gets its length. Says so.
LoadedData assumed_rows(FinetuneOptions& options);

}  // namespace falconer
