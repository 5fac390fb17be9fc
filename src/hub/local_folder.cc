#include "hub/local_folder.h"

#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <sstream>

#include "base/file.h"
#include "hub/content_hash.h"

namespace falconer::hub {
namespace fs = std::filesystem;
namespace {

double changed_at(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return 1e18;
  return static_cast<double>(info.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(info.st_mtim.tv_nsec);
}

bool has_hash(const fs::path& path, const RemoteFile& file) {
  auto hash = ContentHash::like(file.etag, *file.size);
  if (!hash) return false;
  const MappedFile content(path);
  hash->update(content.data(), content.size());
  return hash->finish() == file.etag;
}

}  // namespace

bool LocalFolder::holds(const RemoteFile& remote) const {
  const fs::path path = file(remote.path);
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) != *remote.size) return false;
  if (fs::is_regular_file(note(remote.path), error)) {
    std::istringstream lines(read_text_file(note(remote.path), 1 << 12));
    std::string commit, etag;
    double recorded = 0;
    if (lines >> commit >> etag >> recorded && etag == remote.etag &&
        changed_at(path) <= recorded + 1)
      return true;
  }
  return has_hash(path, remote);
}

void LocalFolder::prepare() const {
  const fs::path ignore = folder_ / ".cache" / "huggingface" / ".gitignore";
  make_folder(ignore.parent_path());
  if (!fs::exists(ignore)) write_file(ignore, "*\n");
}

void LocalFolder::record(const RemoteFile& remote, const std::string& commit) const {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  make_folder(note(remote.path).parent_path());
  write_file(note(remote.path), fmt::format("{}\n{}\n{:.6f}\n", commit, remote.etag, now));
}

}  // namespace falconer::hub
