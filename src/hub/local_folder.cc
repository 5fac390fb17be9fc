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

/// What is recorded of a file that was fetched: its hash, and when. Empty where nothing is.
struct Note {
  std::string etag;
  double time = 0;
};
Note read_note(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return {};
  std::istringstream lines(read_text_file(path, 1 << 12));
  std::string commit;
  Note note;
  return lines >> commit >> note.etag >> note.time ? note : Note{};
}

}  // namespace

bool LocalFolder::holds(const RemoteFile& remote) const {
  const fs::path path = file(remote.path);
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) != *remote.size) return false;
  const Note known = read_note(note(remote.path));
  return (known.etag == remote.etag && changed_at(path) <= known.time + 1) ||
         has_hash(path, remote);
}

bool LocalFolder::is_the_users(const RemoteFile& remote) const {
  const fs::path path = file(remote.path);
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) return false;
  const Note known = read_note(note(remote.path));
  return known.etag.empty() || changed_at(path) > known.time + 1;
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
