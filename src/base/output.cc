#include "base/output.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/path.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

constexpr const char* kAttribute = "user.falconer.written";

std::string mark_of(const struct stat& info) {
  return fmt::format("1 {} {}.{:09}", info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

/// A name in a folder of /proc, whose links lead to what they say only when they are opened.
bool lies_in_proc(const fs::path& folder) { return folder.string().starts_with("/proc/"); }

std::optional<int> own_descriptor(const fs::path& folder, const std::string& name) {
  const std::string own = fmt::format("/proc/{}/", ::getpid()), in = folder.string();
  const bool number = !name.empty() && name.size() < 8 &&
                      std::all_of(name.begin(), name.end(), [](char c) { return std::isdigit(c); });
  if (!number || !in.starts_with(own) || folder.filename() != "fd") return {};
  return std::stoi(name);
}

/// `take` gets every regular file that is `path` or lies in it, behind links.
template <class Take>
void for_each_file(const std::string& path, Take&& take) {
  struct stat info {};
  if (path == "-") {
    if (::fstat(STDIN_FILENO, &info) == 0 && S_ISREG(info.st_mode)) take(info);
    return;
  }
  if (path.empty() || ::stat(path.c_str(), &info) != 0) return;
  if (S_ISREG(info.st_mode)) take(info);
  if (!S_ISDIR(info.st_mode)) return;
  std::error_code error;
  constexpr auto kOptions = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at(path, kOptions, error), end; !error && at != end;
       at.increment(error))
    if (::stat(at->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) take(info);
}

}  // namespace

OutputPlace place_of(const fs::path& path) {
  constexpr int kMostLinks = 40;
  OutputPlace place{.path = path};
  if (!place.path.has_filename() && place.path.has_parent_path())
    place.path = place.path.parent_path();  // "out/" is "out"
  for (int links = 0; links < kMostLinks; ++links) {
    std::error_code error;
    const fs::path folder = fs::canonical(folder_of(place.path), error);
    if (const auto fd = own_descriptor(folder, place.path.filename().string())) {
      place.descriptor = *fd;
      place.through = true;
      return place;
    }
    struct stat info {};
    if (::lstat(place.path.c_str(), &info) != 0) return place;  // new, or opening it says why not
    const bool link = S_ISLNK(info.st_mode);
    place.through = link ? lies_in_proc(folder) : !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
    if (!link || place.through) return place;
    const fs::path target = fs::read_symlink(place.path, error);
    if (error) return place;
    place.path = folder_of(place.path) / target;  // `target` alone, where it is absolute
  }
  fail("{}: is a link that leads to no file; remove it", path.string());
}

void mark_written(const fs::path& path) {
  struct stat info {};
  if (place_of(path).through || ::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return;
  const std::string mark = mark_of(info);
  static_cast<void>(::setxattr(path.c_str(), kAttribute, mark.data(), mark.size(), 0));
}

bool is_marked_written(const fs::path& path) {
  char found[64];
  struct stat info {};
  const ssize_t size = ::getxattr(path.c_str(), kAttribute, found, sizeof found);
  return size > 0 && ::stat(path.c_str(), &info) == 0 &&
         std::string_view(found, static_cast<size_t>(size)) == mark_of(info);
}

void write_marked(const fs::path& path, const std::function<void(const fs::path&)>& write) {
  if (place_of(path).through) return write(path);
  PendingFile file(path);
  write(file.partial());
  mark_written(file.partial());
  file.commit();
}

void OutputRule::reads(const std::string& path) {
  inputs_.push_back(path);
  read_.clear();
}

bool OutputRule::is_read(const struct stat& info) {
  if (read_.empty())
    for (const std::string& input : inputs_)
      for_each_file(input,
                    [&](const struct stat& file) { read_.emplace(file.st_dev, file.st_ino); });
  return S_ISREG(info.st_mode) && read_.contains({info.st_dev, info.st_ino});
}

void OutputRule::check_file(const fs::path& path, const char* flag) {
  const OutputPlace place = place_of(path);
  struct stat info {};
  const int error =
      place.descriptor >= 0 ? ::fstat(place.descriptor, &info) : ::stat(place.path.c_str(), &info);
  std::error_code ignored;
  if (!place.through && !written_.insert(fs::weakly_canonical(place.path, ignored)).second)
    fail("{}: two of this command's results would be written there; give {} another name",
         path.string(), spelled_name(flag));
  if (error != 0) return;  // it is not there
  if (is_read(info))
    fail("{}: is read by this command, and would be written over; give {} another name",
         path.string(), spelled_name(flag));
  if (place.through || S_ISDIR(info.st_mode) || overwrite_ || is_marked_written(place.path)) return;
  fail(
      "{}: is there already, and Falconer did not write it, or it was changed since; give {} "
      "another name, or --overwrite to replace it",
      path.string(), spelled_name(flag));
}

void OutputRule::check_result(const fs::path& path, const char* flag) {
  const fs::path place = place_of(path).path;
  std::error_code ignored;
  if (fs::is_directory(place, ignored))
    fail("{}: is a folder, and {} names a file; name one in it", path.string(), spelled_name(flag));
  if (place.has_parent_path() && !fs::is_directory(place.parent_path(), ignored))
    fail("{}: the folder {} is not there; make it, or give {} another name", path.string(),
         place.parent_path().string(), spelled_name(flag));
  check_file(path, flag);
}

void OutputRule::check_folder(const fs::path& path, const char* flag) {
  for_each_file(place_of(path).path.string(), [&](const struct stat& info) {
    if (is_read(info))
      fail("{}: holds what this command reads, and would be replaced; give {} another name",
           path.string(), spelled_name(flag));
  });
}

}  // namespace falconer
