// A repository's folder in the cache that huggingface_hub keeps, in its layout, so that both share
// one copy:
//   models--org--name/blobs/<etag>                 contents, by their hash
//                     blobs/<etag>.incomplete      one that is not whole yet
//                     snapshots/<commit>/<file>    links to them, relative
//                     refs/<revision>              the commit that a branch or tag was at
//                     .no_exist/<commit>/<file>    what the commit does not have
//   .locks/models--org--name/<etag>.lock           held by who fetches a blob
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hub/repo.h"
#include "hub/selection.h"

namespace falconer::hub {

class RepoCache {
 public:
  RepoCache(const std::filesystem::path& cache, const Repo& repo);

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path blob(const std::string& etag) const { return folder_ / "blobs" / etag; }
  std::filesystem::path snapshot(const std::string& commit) const {
    return folder_ / "snapshots" / commit;
  }
  std::filesystem::path lock(const std::string& etag) const { return locks_ / (etag + ".lock"); }

  /// The commit that the repository's revision was at; empty where that is not known.
  std::string known_commit() const;
  void remember_commit(const std::string& commit) const;
  /// snapshots/<commit>/<path> becomes a link to the blob. An older one is replaced.
  void link(const std::string& commit, const std::string& path, const std::string& etag) const;
  void mark_absent(const std::string& commit, const std::string& path) const;
  bool is_absent(const std::string& commit, const std::string& path) const;
  /// Paths of the files of a snapshot whose content is there, sorted.
  std::vector<std::string> files(const std::string& commit) const;

 private:
  Repo repo_;
  std::filesystem::path folder_, locks_;
};

/// How much of what a purpose needs lies in a snapshot.
enum class Completeness {
  kMissing,  // something that it cannot do without
  kUsable,   // enough; the hub may have more, such as a tokenizer's settings
  kWhole     // all that the hub has
};
Completeness completeness(const RepoCache& cache, const std::string& commit,
                          Selection::Purpose purpose);

}  // namespace falconer::hub
