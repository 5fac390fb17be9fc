// Where a model, an adapter or a file of rows is that the user has named: a path as it is, or a name
// on the hub, which is fetched where the cache does not hold it. The one place that decides.
#pragma once

#include <string>

namespace falconer {

/// What of a checkpoint is needed. Weights are not fetched to look at a configuration.
enum class CheckpointPart { kConfig, kTokenizer, kAll };

/// A folder: `name` itself where that exists or is no name on the hub (whoever opens it says what is
/// wrong), else the snapshot of "org/name" or "org/name@revision" in the cache. Errors: offline and
/// not in the cache; those of the download.
std::string resolve_checkpoint(const std::string& name, CheckpointPart part = CheckpointPart::kAll);

/// The same for an adapter, a folder or a .pth file. Empty stays empty.
std::string resolve_adapter(const std::string& name);

/// The same for rows: "org/name/path/to/file" of a dataset on the hub, or "org/name" where it has
/// one file of rows, or train.* at its top: then the snapshot's folder.
std::string resolve_data(const std::string& name);

}  // namespace falconer
