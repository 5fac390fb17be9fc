#include "base/one_of_many.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/streams.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

// What a process is told of itself holds until its end.
int ends_with(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      ::_exit(work());
    } catch (...) {
      ::_exit(99);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(OneOfMany, AProcessAloneSpeaks) {
  EXPECT_FALSE(is_one_of_many());
  EXPECT_TRUE(speaks());
}

TEST(OneOfMany, AllButTheFirstKeepTheirLogForAFile) {
  const TempFolder folder;
  const std::string log = (folder / "rank-1.log").string(), out = (folder / "out").string();
  write_file(log, "earlier\n");
  EXPECT_EQ(ends_with([&] {
              if (std::freopen(out.c_str(), "w", stdout) == nullptr) return 2;
              be_one_of_many(false);
              log_info("before it has {}", "a file");
              log_to_file(log);
              log_warning("then");
              print_result("a result");
              std::fflush(stdout);
              return speaks() ? 1 : 0;
            }),
            0);
  EXPECT_EQ(read_text_file(log), "earlier\nbefore it has a file\nwarning: then\n");
  EXPECT_EQ(read_text_file(out), "");
}

TEST(OneOfMany, TheFirstPrintsItsResults) {
  const TempFolder folder;
  const std::string log = (folder / "rank-0.log").string(), out = (folder / "out").string();
  EXPECT_EQ(ends_with([&] {
              if (std::freopen(out.c_str(), "w", stdout) == nullptr) return 2;
              be_one_of_many(true);
              log_to_file(log);
              print_result("a result");
              return speaks() ? 0 : 1;
            }),
            0);
  EXPECT_EQ(read_text_file(out), "a result");
  EXPECT_FALSE(std::filesystem::exists(log));
}

TEST(OneOfMany, LaunchersPassOnOtherSignals) {
  for (const auto& [sent, meant] : {std::pair{SIGUSR1, SIGINT}, std::pair{SIGUSR2, SIGTERM}})
    EXPECT_EQ(ends_with([sent = sent] {
                be_one_of_many(false);
                catch_interrupts();
                ::raise(sent);
                return interrupted() ? interrupt_exit_code() : 0;
              }),
              128 + meant);
  // To a process alone they are what they always were.
  EXPECT_EQ(ends_with([] {
              catch_interrupts();
              ::raise(SIGUSR1);
              return 0;
            }),
            128 + SIGUSR1);
}

TEST(OneOfMany, IsToldThatTheJobGoesDown) {
  EXPECT_EQ(ends_with([] {
              be_one_of_many(false);
              if (told_to_end(0.05)) return 1;
              ::raise(SIGCONT);
              return told_to_end(30) ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace falconer::test
