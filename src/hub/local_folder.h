// A folder of the user's own that a repository's files are put into. What is known of them lies
// below .cache/huggingface in it, in huggingface_hub's form, so that either program sees what the
// other has fetched.
#pragma once

#include <filesystem>
#include <string>

#include "hub/listing.h"

namespace falconer::hub {

class LocalFolder {
 public:
  explicit LocalFolder(const std::filesystem::path& folder) : folder_(folder) {}

  std::filesystem::path file(const std::string& path) const { return folder_ / path; }
  std::filesystem::path partial(const std::string& path, const std::string& etag) const {
    return notes() / (path + "." + etag + ".incomplete");
  }
  std::filesystem::path lock(const std::string& path) const { return notes() / (path + ".lock"); }

  /// Makes the folder, and keeps what is recorded in it out of the user's own repository.
  void prepare() const;
  /// Whether the file is there and is the one that the hub lists: as recorded, if it was not changed
  /// since, else by its hash.
  bool holds(const RemoteFile& file) const;
  /// Whether file() is there and was never fetched, or was changed since.
  bool is_the_users(const RemoteFile& file) const;
  /// Records what file() is now.
  void record(const RemoteFile& file, const std::string& commit) const;

 private:
  std::filesystem::path notes() const { return folder_ / ".cache" / "huggingface" / "download"; }
  std::filesystem::path note(const std::string& path) const {
    return notes() / (path + ".metadata");
  }

  std::filesystem::path folder_;
};

}  // namespace falconer::hub
