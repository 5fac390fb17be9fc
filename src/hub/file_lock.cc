#include "hub/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "hub/http.h"

namespace falconer::hub {

FileLock::FileLock(const std::filesystem::path& path, const std::function<void()>& on_wait,
                   const std::function<bool()>& cancelled) {
  make_folder(path.parent_path());
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664);
  if (file_ < 0) fail("{}: cannot be opened: {}", path.string(), std::strerror(errno));
  for (bool waited = false; ::flock(file_, LOCK_EX | LOCK_NB) != 0;) {
    if (errno != EWOULDBLOCK && errno != EINTR && errno != EACCES) return;
    if (!waited && on_wait) on_wait();
    waited = true;
    if (cancelled && cancelled()) {
      ::close(file_);
      throw Cancelled();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

// The file stays: to remove it would part those who wait for it from those who come later.
FileLock::~FileLock() { ::close(file_); }

}  // namespace falconer::hub
