// A library to preload: the n-th call that writes, syncs, renames or makes a file or a folder fails,
// as on a full or failing disk.
//   FALCONER_FAIL_AT=n      which call fails (from 1); all after it fail too with FALCONER_FAIL_ON=1
//   FALCONER_FAIL_UNDER=DIR only calls on paths under DIR count
//   FALCONER_FAIL_COUNT=F   the number of calls that counted is written there at the end
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::atomic<long> count{0};

bool counts(const char* path) {
  const char* under = std::getenv("FALCONER_FAIL_UNDER");
  return under != nullptr && path != nullptr && std::strncmp(path, under, std::strlen(under)) == 0;
}

bool counts(int fd) {
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link, path, sizeof path - 1);
  if (size < 0) return false;
  path[size] = 0;
  return counts(path);
}

/// Whether this call, which counts, is the one that fails.
bool fails() {
  const char* at = std::getenv("FALCONER_FAIL_AT");
  const long number = ++count;
  if (at == nullptr) return false;
  const bool on = std::getenv("FALCONER_FAIL_ON") != nullptr;
  if (number != std::atol(at) && !(on && number > std::atol(at))) return false;
  errno = ENOSPC;
  return true;
}

int open_or_fail(const char* name, const char* path, int flags, va_list arguments) {
  const bool makes = (flags & O_CREAT) != 0;
  const mode_t mode = makes ? va_arg(arguments, mode_t) : 0;
  if (makes && counts(path) && fails()) return -1;
  return next<int(const char*, int, ...)>(name)(path, flags, mode);
}

__attribute__((destructor)) void write_count() {
  const char* path = std::getenv("FALCONER_FAIL_COUNT");
  if (path == nullptr) return;
  if (std::FILE* file = std::fopen(path, "w")) {
    std::fprintf(file, "%ld\n", count.load());
    std::fclose(file);
  }
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
  if (counts(fd) && fails()) return -1;
  return next<decltype(write)>("write")(fd, data, size);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  if (counts(fd) && fails()) return -1;
  return next<decltype(pwrite)>("pwrite")(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  if (counts(fd) && fails()) return -1;
  return next<decltype(pwrite64)>("pwrite64")(fd, data, size, at);
}

// What stdio writes does not pass through write() above.
int fflush(std::FILE* file) {
  if (file != nullptr && counts(::fileno(file)) && fails()) return EOF;
  return next<decltype(fflush)>("fflush")(file);
}

int fsync(int fd) {
  if (counts(fd) && fails()) return -1;
  return next<decltype(fsync)>("fsync")(fd);
}

int rename(const char* from, const char* to) noexcept {
  if (counts(to) && fails()) return -1;
  return next<int(const char*, const char*)>("rename")(from, to);
}

// FALCONER_FAIL_NO_EXCHANGE=1: a file system that cannot swap two names.
int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  if (std::getenv("FALCONER_FAIL_NO_EXCHANGE") != nullptr && counts(to)) {
    errno = EINVAL;
    return -1;
  }
  if (counts(to) && fails()) return -1;
  return next<int(int, const char*, int, const char*, unsigned)>("renameat2")(from_folder, from,
                                                                              to_folder, to, flags);
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (counts(path) && fails()) return -1;
  return next<int(const char*, mode_t)>("mkdir")(path, mode);
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int file = open_or_fail("open", path, flags, arguments);
  va_end(arguments);
  return file;
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int file = open_or_fail("open64", path, flags, arguments);
  va_end(arguments);
  return file;
}

}  // extern "C"
