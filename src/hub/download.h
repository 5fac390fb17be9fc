// A repository's files from the hub: into the cache that is shared with huggingface_hub, or into a
// folder of the user's own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hub/cache.h"
#include "hub/repo.h"
#include "hub/selection.h"
#include "hub/settings.h"

namespace falconer::hub {

struct DownloadRequest {
  Repo repo;
  Selection selection;
  std::filesystem::path local_dir;  // real files here; empty: the cache
  bool overwrite = false;           // files in it that did not come from the hub
  int jobs = 8;                     // files at one time
};

struct DownloadedFile {
  std::string path, hash;
  uint64_t size = 0;
  bool fetched = false;  // false: it was there
};

struct Download {
  std::filesystem::path folder;
  std::string commit;
  std::vector<DownloadedFile> files;
  uint64_t received = 0;  // bytes over the network
};

/// Asks the hub, fetches what is not there yet, checks it. Files appear whole under their names.
/// Errors: those of the network, of the hub and of the disk, each with a next step; nothing is
/// selected; a name that was given is not in the repository. What came before an error is kept.
Download download(const Settings& settings, const DownloadRequest& request);

/// What the cache holds of that, without any network; nothing where it does not hold enough.
struct CachedDownload {
  Download download;
  Completeness completeness = Completeness::kMissing;
};
CachedDownload find_cached(const Settings& settings, const DownloadRequest& request);

}  // namespace falconer::hub
