#include "base/partial.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/path.h"
#include "base/process.h"
#include "base/system.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMark = ".partial-", kOld = ".old";
constexpr size_t kMachineDigits = 8;
constexpr size_t kLongestName = 255, kLongestRest = 64;

uint64_t fnv(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

/// Where process numbers mean the same: this machine, or this container on it.
std::string machine() {
  static const std::string digits = [] {
    std::error_code error;
    const std::string space = fs::read_symlink("/proc/self/ns/pid", error).string();
    return fmt::format("{:016x}", fnv(host_name() + "\n" + space)).substr(0, kMachineDigits);
  }();
  return digits;
}

/// "NAME" of a file's name, cut where ".NAME.partial-..." would be longer than names may be.
std::string stem_of(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.size() + kLongestRest <= kLongestName) return name;
  return fmt::format("{}-{:016x}", name.substr(0, kLongestName - kLongestRest - 17), fnv(name));
}

struct Owner {
  std::string stem;     // of what is written
  std::string machine;  // empty in names of earlier versions
  pid_t pid = 0;
  bool old = false;  // what was moved aside
};

std::optional<pid_t> positive(std::string_view digits) {
  pid_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number <= 0) return {};
  return number;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t dash; (dash = text.find('-')) != std::string_view::npos; text.remove_prefix(dash + 1))
    parts.push_back(text.substr(0, dash));
  parts.push_back(text);
  return parts;
}

/// ".NAME.partial-[MACHINE-]PID-NUMBER[.old]" and nothing that only begins so.
std::optional<Owner> owner_of(std::string_view name) {
  Owner owner;
  owner.old = name.ends_with(kOld);
  if (owner.old) name.remove_suffix(kOld.size());
  const size_t mark = name.rfind(kMark);
  if (!name.starts_with('.') || mark == std::string_view::npos || mark < 2) return {};
  owner.stem = name.substr(1, mark - 1);
  std::vector<std::string_view> parts = split(name.substr(mark + kMark.size()));
  if (parts.size() == 3) {
    owner.machine = parts.front();
    parts.erase(parts.begin());
    if (owner.machine.size() != kMachineDigits ||
        owner.machine.find_first_not_of("0123456789abcdef") != std::string::npos)
      return {};
  }
  if (parts.size() != 2 || !positive(parts[1])) return {};
  const auto pid = positive(parts[0]);
  if (!pid) return {};
  owner.pid = *pid;
  return owner;
}

/// File systems of other machines, of which a lock may be known to those alone that took it.
bool is_remote(int fd) {
  constexpr std::array<uint32_t, 12> kRemote = {
      0x6969 /* NFS */,        0xFF534D42 /* CIFS */, 0xFE534D42 /* SMB2 */,
      0x517B /* SMB */,        0x65735546 /* FUSE */, 0x01021997 /* 9P */,
      0x00C36400 /* Ceph */,   0x5346414F /* AFS */,  0x73757245 /* Coda */,
      0x0BD00BD0 /* Lustre */, 0x47504653 /* GPFS */, 0x19830326 /* BeeGFS */};
  struct statfs info {};
  return ::fstatfs(fd, &info) != 0 ||
         std::find(kRemote.begin(), kRemote.end(), static_cast<uint32_t>(info.f_type)) !=
             kRemote.end();
}

bool has_ended(const Owner& owner) {
  const bool here = owner.machine.empty() || owner.machine == machine();
  return here && ::kill(owner.pid, 0) != 0 && errno == ESRCH;
}

/// Whether nobody writes it any more; then nobody begins to, either, while this lives. Who writes holds a lock, which
/// ends with the process; where locks are not seen by all, the process of this machine is asked for.
class Abandoned {
 public:
  Abandoned(const fs::path& path, const Owner& owner)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) {
    if (fd_ < 0) {
      is_ = errno == ELOOP && has_ended(owner);  // a link, which nothing can lock
      return;
    }
    const bool locked = ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
    const bool taken = !locked && errno == EWOULDBLOCK;
    const bool sure = locked && !owner.machine.empty() && !owner.old && !is_remote(fd_);
    is_ = !taken && (sure || has_ended(owner));
  }
  Abandoned(const Abandoned&) = delete;
  Abandoned& operator=(const Abandoned&) = delete;
  ~Abandoned() {
    if (fd_ >= 0) ::close(fd_);
  }
  explicit operator bool() const { return is_; }

 private:
  const int fd_;
  bool is_ = false;
};

void clear(const fs::path& folder, const std::string& stem) {
  std::error_code error;
  std::vector<std::pair<fs::path, Owner>> found;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (auto owner = owner_of(at->path().filename().string()))
      if (stem.empty() || owner->stem == stem) found.emplace_back(at->path(), std::move(*owner));
  for (const auto& [path, owner] : found) {
    const Abandoned abandoned(path, owner);
    if (!abandoned) continue;
    const fs::path whole = folder / owner.stem;
    if (owner.old && !fs::exists(fs::symlink_status(whole, error)))
      ::rename(path.c_str(), whole.c_str());
    else
      fs::remove_all(path, error);
  }
}

/// Others wait to see this before they take what has such a name for abandoned. False: one of them
/// was faster. A file system without locks is gone without.
bool hold(const Partial& partial) {
  if (::flock(partial.fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
  struct stat held {
  }, named{};
  return ::fstat(partial.fd, &held) == 0 && ::lstat(partial.name.c_str(), &named) == 0 &&
         held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

// What was left of `path` alone.
void clear_partials_of(const fs::path& path) {
  fs::path clean = path;
  if (!clean.has_filename()) clean = clean.parent_path();
  clear(folder_of(clean), stem_of(clean));
}

template <class Open>
Partial begin(const fs::path& path, Open&& open) {
  clear_partials_of(path);
  for (int left = 100;; --left) {
    Partial partial{.name = partial_name(path)};
    partial.fd = open(partial.name);
    if (partial.fd >= 0 && hold(partial)) return partial;
    const int why = errno;
    if (partial.fd >= 0) {
      ::close(partial.fd);
      std::remove(partial.name.c_str());
    }
    if (left == 0 || (partial.fd < 0 && why != EEXIST))
      fail("{}: cannot be written: {}", path.string(), std::strerror(why));
  }
}

}  // namespace

fs::path partial_name(const fs::path& path) {
  fs::path clean = path;
  if (!clean.has_filename()) clean = clean.parent_path();  // "out/final/" is "out/final"
  return folder_of(clean) /
         fmt::format(".{}{}{}-{}", stem_of(clean), kMark, machine(), unique_id());
}

bool is_partial_name(const fs::path& path) {
  const auto owner = owner_of(path.filename().string());
  return owner && !owner->old;
}

Partial begin_partial_file(const fs::path& path) {
  return begin(path, [](const fs::path& name) {
    return ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  });
}

Partial begin_partial_folder(const fs::path& path) {
  return begin(path, [](const fs::path& name) {
    if (::mkdir(name.c_str(), 0777) != 0) return -1;
    return ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  });
}

namespace {

struct Held {
  std::mutex guard;
  std::map<fs::path, int> descriptors;
};
Held& held() {
  static Held instance;
  return instance;
}

}  // namespace

fs::path hold_on(const Partial& partial) {
  const std::lock_guard<std::mutex> lock(held().guard);
  held().descriptors[partial.name] = partial.fd;
  return partial.name;
}

void let_go(const fs::path& name) {
  const std::lock_guard<std::mutex> lock(held().guard);
  const auto found = held().descriptors.find(name);
  if (found == held().descriptors.end()) return;
  ::close(found->second);
  held().descriptors.erase(found);
}

void clear_partials(const fs::path& folder) { clear(folder, ""); }

}  // namespace falconer
