#include "folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "base/error.h"

namespace falconer::fuzz {
namespace fs = std::filesystem;

Folder::Folder(std::string_view name) {
  std::error_code error;
  const fs::path memory = "/dev/shm";
  const bool there = fs::is_directory(memory, error) && ::access(memory.c_str(), W_OK) == 0;
  std::string made =
      ((there ? memory : fs::temp_directory_path()) / fmt::format("falconer-fuzz-{}-XXXXXX", name))
          .string();
  FALCONER_CHECK(::mkdtemp(made.data()) != nullptr);
  path_ = made;
}

Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path Folder::put(std::string_view name, std::string_view content) const {
  const fs::path path = path_ / name;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  FALCONER_CHECK(file >= 0);
  const ssize_t written = ::write(file, content.data(), content.size());
  ::close(file);
  FALCONER_CHECK(written == static_cast<ssize_t>(content.size()));
  return path;
}

void Folder::remove(std::string_view name) const { ::unlink((path_ / name).c_str()); }

}  // namespace falconer::fuzz
