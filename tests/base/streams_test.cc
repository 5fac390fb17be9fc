#include "base/streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/log.h"
#include "base/process.h"
#include "base/terminal.h"

namespace falconer {
namespace {

/// What `work` returns in a process of its own, whose streams it may do anything to.
template <class Work>
int in_child(Work&& work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void stdout_to(const char* path) {
  const int file = ::open(path, O_WRONLY);
  ::dup2(file, STDOUT_FILENO);
}

/// The exit code of the error that printing gives; 0 where it gives none.
int code_of_printing() {
  try {
    print_result("result\n");
    finish_results();
    return 0;
  } catch (const OutputError& error) {
    return std::strstr(error.what(), "standard output") != nullptr ? error.exit_code() : 99;
  }
}

TEST(Streams, AFullDiskIsAnError) {
  EXPECT_EQ(in_child([] {
              stdout_to("/dev/full");
              return code_of_printing();
            }),
            1);
}

TEST(Streams, AReaderThatHasGoneIsNoCrash) {
  EXPECT_EQ(in_child([] {
              int ends[2];
              if (::pipe(ends) != 0) return 98;
              ::dup2(ends[1], STDOUT_FILENO);
              ::close(ends[0]);
              ::close(ends[1]);
              prepare_streams();
              return code_of_printing();
            }),
            kExitReaderGone);
}

TEST(Streams, WhatNobodyFlushedIsLookedAtInTheEnd) {
  EXPECT_EQ(in_child([] {
              stdout_to("/dev/full");
              std::printf("left in the buffer");
              try {
                finish_results();
              } catch (const OutputError& error) {
                return error.exit_code();
              }
              return 0;
            }),
            1);
}

TEST(Streams, NoFileGetsThePlaceOfOneThatIsClosed) {
  for (int open_ones = 0; open_ones < 8; ++open_ones)
    EXPECT_EQ(in_child([&] {
                for (int stream = 0; stream < 3; ++stream)
                  if ((open_ones & 1 << stream) == 0) ::close(stream);
                prepare_streams();
                const int file = ::open("/dev/null", O_WRONLY);
                if (file <= STDERR_FILENO) return 97;
                const bool closed = (open_ones & 1 << STDOUT_FILENO) == 0;
                if (closed) return code_of_printing() == 1 ? 0 : 96;
                return 0;
              }),
              0)
        << open_ones;
}

TEST(Streams, ALimitOnFilesIsNoSignal) {
  EXPECT_EQ(in_child([] {
              prepare_streams();
              ::raise(SIGXFSZ);
              ::raise(SIGPIPE);
              return 0;
            }),
            0);
}

/// What a terminal was sent while `work` ran with it as stdout and stderr.
template <class Work>
std::string seen_on_terminal(Work&& work) {
  int terminal = -1, screen = -1;
  if (::openpty(&screen, &terminal, nullptr, nullptr, nullptr) != 0) return "no terminal";
  EXPECT_EQ(in_child([&] {
              ::dup2(terminal, STDOUT_FILENO);
              ::dup2(terminal, STDERR_FILENO);
              work();
              return 0;
            }),
            0);
  ::close(terminal);
  std::string seen(4096, '\0');
  const ssize_t size = ::read(screen, seen.data(), seen.size());
  ::close(screen);
  seen.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return seen;
}

TEST(Streams, NothingCommandsATerminal) {
  const std::string seen = seen_on_terminal([] {
    ::setenv("NO_COLOR", "1", 1);  // the styles of our own aside
    print_result("answer \x1b[2J\xC2\x9B done\n");
    print_message("message \x1b]0;x\x07\n");
    log_warning("name \x1b[31m");
  });
  EXPECT_EQ(seen.find('\x1b'), std::string::npos) << seen;
  EXPECT_EQ(seen.find('\x07'), std::string::npos) << seen;
  EXPECT_EQ(seen.find("\xC2\x9B"), std::string::npos) << seen;
  EXPECT_NE(seen.find("answer \\u001B[2J\\u009B done"), std::string::npos) << seen;
  EXPECT_NE(seen.find("name \\u001B[31m"), std::string::npos) << seen;
}

TEST(Streams, APipeGetsTheBytesAsTheyAre) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(in_child([&] {
              ::dup2(ends[1], STDOUT_FILENO);
              print_result("\x1b[2J\xFF");
              return 0;
            }),
            0);
  ::close(ends[1]);
  char seen[16];
  EXPECT_EQ(::read(ends[0], seen, sizeof seen), 5);
  EXPECT_EQ(std::string(seen, 5), "\x1b[2J\xFF");
  ::close(ends[0]);
}

// They are made where stdout is a terminal, whatever stderr is.
TEST(Streams, AMessageThatGoesToAFileHasNoStyles) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(in_child([&] {
              ::unsetenv("CLICOLOR_FORCE");
              ::dup2(ends[1], STDERR_FILENO);
              set_output_look({.columns = 80, .styled = true});
              print_message(bold("head") + "\n");
              log_info("{}", bold("line"));
              return 0;
            }),
            0);
  ::close(ends[1]);
  char seen[32];
  const ssize_t bytes = ::read(ends[0], seen, sizeof seen);
  EXPECT_EQ(std::string(seen, static_cast<size_t>(bytes)), "head\nline\n");
  ::close(ends[0]);
}

TEST(Streams, AProgramWaitsForItsChildrenWhoeverStartedIt) {
  EXPECT_EQ(in_child([] {
              std::signal(SIGCHLD, SIG_IGN);
              prepare_streams();
              return run_process({"/bin/sh", "-c", "exit 3"}).exit_code;
            }),
            3);
}

}  // namespace
}  // namespace falconer
