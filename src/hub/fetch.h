// One file from the hub to its place: resumed, checked, whole or not there.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "hub/http.h"
#include "hub/listing.h"
#include "hub/partial_file.h"
#include "hub/progress.h"
#include "hub/repo.h"

namespace falconer::hub {

struct FetchJob {
  RemoteFile file;  // its hash and size known
  std::filesystem::path partial;
  std::filesystem::path target;
};

/// Errors: another part comes than the one from `offset` on, or one of another file.
void check_range(const HttpReply& reply, const FetchJob& job, uint64_t offset);
/// Errors: the answer says that it is of another commit, or has another hash.
void check_identity(const HttpReply& reply, const FetchJob& job, const std::string& commit);

/// What the threads of a download share.
struct FetchContext {
  const Settings& settings;
  const Repo& repo;
  const std::string& commit;
  Progress& progress;
  const std::function<bool()>& cancelled;
};

class Fetcher {
 public:
  Fetcher(const FetchContext& context, HttpClient& client) : context_(context), client_(client) {}

  /// `target` holds the file when this returns. What came before is gone on from; what comes is on
  /// disk at once. A file with the wrong hash is fetched once more from its beginning.
  /// Errors: those of the network and of `fail_status`; no room; the hash is wrong twice; Cancelled.
  void fetch(const FetchJob& job, FileProgress& shown);

 private:
  struct Trouble {
    std::string what;
    std::optional<double> asked = {};    // seconds that the host wants us to wait
    std::function<void()> give_up = {};  // throws what is said where it stays
  };
  Trouble attempt(const FetchJob& job, PartialFile& partial, FileProgress& shown);
  void fill(const FetchJob& job, PartialFile& partial, FileProgress& shown);
  HttpReply receive(const FetchJob& job, PartialFile& partial, FileProgress& shown);

  const FetchContext& context_;
  HttpClient& client_;
};

}  // namespace falconer::hub
