#include "base/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace falconer::test {
namespace {

volatile sig_atomic_t own_stack = 0;

void look_where(int) {
  stack_t now = {};
  ::sigaltstack(nullptr, &now);
  own_stack = (now.ss_flags & SS_ONSTACK) != 0 ? 1 : 0;
}

// A handler that runs on the stack of who computes writes into a product's memory: kernels that oneDNN
// generates use the stack pointer as another register.
TEST(Interrupts, HandlersHaveAStackOfTheirOwn) {
  const pid_t child = ::fork();
  if (child == 0) {
    catch_interrupts();
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
      struct sigaction action = {};
      ::sigaction(number, nullptr, &action);
      if ((action.sa_flags & SA_ONSTACK) == 0) ::_exit(number);
    }
    struct sigaction look = {};
    look.sa_handler = look_where;
    look.sa_flags = SA_ONSTACK;
    ::sigaction(SIGUSR1, &look, nullptr);
    ::raise(SIGUSR1);
    ::_exit(own_stack == 1 ? 0 : 100);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Each thread that computes has one, and a thread that ends takes its own along.
TEST(Interrupts, EveryThreadHasAHandlerStackOfItsOwn) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto stack = [] {
      catch_interrupts();
      stack_t now = {};
      ::sigaltstack(nullptr, &now);
      return now.ss_sp;
    };
    const void *mine = stack(), *again = stack(), *other = nullptr;
    std::thread([&] { other = stack(); }).join();
    ::_exit(mine != nullptr && mine == again && other != nullptr && other != mine ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Interrupts, AnotherRanksCountsAsOnesOwn) {
  const pid_t child = ::fork();
  if (child == 0) {
    interrupt_as(128 + SIGTERM);
    interrupt_as(128 + SIGINT);  // the first counts
    ::_exit(interrupted() ? interrupt_exit_code() : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGTERM);
}

TEST(Interrupts, OnesThatAreForgottenStopNothingMore) {
  const pid_t child = ::fork();
  if (child == 0) {
    catch_interrupts();
    bool right = true;
    for (int i = 0; i < 3; ++i) {  // the second would end the process
      ::raise(SIGTERM);
      right = right && interrupted() && interrupt_exit_code() == 143;
      forget_interrupts();
      right = right && !interrupted();
    }
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// nohup and a shell's background have a process ignore them.
TEST(Interrupts, WhatWasIgnoredBeforeStaysIgnored) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(number, SIG_IGN);
      catch_interrupts();
      catch_interrupts();
      ::raise(number);
      const bool ignored = !interrupted();
      ::raise(number == SIGTERM ? SIGINT : SIGTERM);
      ::_exit(ignored && interrupted() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << number;
    EXPECT_EQ(WEXITSTATUS(status), 0) << number;
  }
}

TEST(Interrupts, TheExitCodeSaysWhichCameFirst) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(SIGHUP, SIG_DFL);
      catch_interrupts();
      ::raise(number);
      ::raise(SIGHUP);
      ::_exit(interrupted() && is_interrupt_exit_code(interrupt_exit_code()) ? interrupt_exit_code()
                                                                             : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 128 + number);
  }
  EXPECT_FALSE(is_interrupt_exit_code(1));
  EXPECT_FALSE(is_interrupt_exit_code(137));
}

}  // namespace
}  // namespace falconer::test
