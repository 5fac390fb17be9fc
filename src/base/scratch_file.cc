#include "base/scratch_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"

namespace falconer {

ScratchFile::ScratchFile(const std::filesystem::path& folder) : folder_(folder) {
  std::string name = (folder / ".falconer-scratch-XXXXXX").string();
  file_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (file_ < 0)
    fail("{}: a file for rows that do not fit in memory cannot be made there: {}", folder.string(),
         std::strerror(errno));
  ::unlink(name.c_str());
}

ScratchFile::~ScratchFile() { ::close(file_); }

void ScratchFile::append(const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::pwrite(file_, from, bytes, static_cast<off_t>(size_));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      fail("{}: rows that do not fit in memory cannot be written there: {}", folder_.string(),
           std::strerror(errno));
    from += written;
    size_ += static_cast<uint64_t>(written);
    bytes -= static_cast<size_t>(written);
  }
}

void ScratchFile::read(uint64_t offset, void* data, size_t bytes) const {
  FALCONER_CHECK(offset <= size_ && bytes <= size_ - offset);
  char* to = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = ::pread(file_, to, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      fail("{}: rows cannot be read back: {}", folder_.string(),
           got == 0 ? "the file is shorter than it was" : std::strerror(errno));
    to += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

}  // namespace falconer
