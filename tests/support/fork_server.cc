// For tests that run the program thousands of times: LD_PRELOAD has this start it once, behind what a dynamic
// linker does, and each run is a fork of that process just before main(). tests/system/hostile.py talks to it.
//
// A request on standard input: 32 bits with the size of what follows, then texts that each end with a 0: the folder
// to run in, a file for standard input, one for both outputs, and the words behind the program's name. The
// answers on standard output: 32 bits with the child's id, then 32 bits with its status as waitpid() has it.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using Main = int (*)(int, char**, char**);
Main real_main = nullptr;

bool read_whole(void* to, size_t size) {
  for (char* at = static_cast<char*>(to); size > 0;) {
    const ssize_t n = ::read(STDIN_FILENO, at, size);
    if (n <= 0) return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

void answer(int32_t number) {
  if (::write(STDOUT_FILENO, &number, sizeof number) != sizeof number) ::_exit(1);
}

void open_as(const char* path, int flags, int descriptor) {
  const int file = ::open(path, flags, 0600);
  if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(126);
  if (file != descriptor) ::close(file);
}

/// Never returns.
void run_child(std::vector<std::string> texts, char* program) {
  if (::chdir(texts[0].c_str()) != 0) ::_exit(126);
  open_as(texts[1].c_str(), O_RDONLY, STDIN_FILENO);
  open_as(texts[2].c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
  if (::dup2(STDOUT_FILENO, STDERR_FILENO) < 0) ::_exit(126);
  ::unsetenv("LD_PRELOAD");  // of what the program starts itself
  std::vector<char*> words = {program};
  for (size_t i = 3; i < texts.size(); ++i) words.push_back(texts[i].data());
  words.push_back(nullptr);
  std::exit(real_main(static_cast<int>(words.size()) - 1, words.data(), environ));
}

int serve(int, char** argv, char**) {
  for (uint32_t size = 0; read_whole(&size, sizeof size);) {
    std::string request(size, '\0');
    if (!read_whole(request.data(), size)) break;
    std::vector<std::string> texts;
    for (size_t at = 0; at < request.size();) {
      texts.emplace_back(request.c_str() + at);
      at += texts.back().size() + 1;
    }
    const pid_t child = ::fork();
    if (child == 0) run_child(std::move(texts), argv[0]);
    answer(child);
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return 1;
    answer(status);
  }
  return 0;
}

}  // namespace

extern "C" int __libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(),
                                 void (*rtld_fini)(), void* stack_end) {
  using Start = int (*)(Main, int, char**, void (*)(), void (*)(), void (*)(), void*);
  const auto start = reinterpret_cast<Start>(::dlsym(RTLD_NEXT, "__libc_start_main"));
  real_main = main;
  return start(serve, argc, argv, init, fini, rtld_fini, stack_end);
}
