// Of two runs in one folder one trains, whenever they come and however they end.
#include "train/run_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>

#include "base/file.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "train/run_status.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

TEST(RunLock, IsHeldByOneAndLeavesNothing) {
  const TempFolder folder;
  {
    const RunLock lock(folder.path());
    EXPECT_EQ(lock_state(folder.path()), LockState::kHeld);
    const std::string pid = "process " + std::to_string(::getpid());
    expect_mentions(message_of([&] { RunLock second(folder.path()); }),
                    {"trains in this folder", pid.c_str()});
    expect_mentions(message_of([&] { refuse_locked(folder.path()); }), {pid.c_str()});
  }
  EXPECT_EQ(lock_state(folder.path()), LockState::kFree);
  EXPECT_TRUE(fs::is_empty(folder.path()));
  refuse_locked(folder.path());
}

// The system takes it back from who is killed.
TEST(RunLock, EndsWithItsProcess) {
  const TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const RunLock lock(folder.path());
    ::pause();
  }
  for (int tries = 0; lock_state(folder.path()) != LockState::kHeld && tries < 1000; ++tries)
    ::usleep(10000);
  EXPECT_THROW(RunLock second(folder.path()), Error);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(lock_state(folder.path()), LockState::kFree);
  { const RunLock lock(folder.path()); }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

// Many that begin at one moment, again and again, while others end and remove the lock's file.
TEST(RunLock, IsNeverHeldByTwo) {
  const TempFolder folder;
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t child = ::fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    int had = 0;
    for (int round = 0; round < 200; ++round) {
      std::optional<RunLock> lock;
      try {
        lock.emplace(folder.path());
      } catch (const Error&) {
        continue;
      }
      ++had;
      const fs::path mine = folder / "mine";
      if (!fs::create_directory(mine)) ::_exit(1);  // another is inside
      fs::remove(mine);
    }
    ::_exit(had > 0 ? 0 : 2);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_NE(WEXITSTATUS(status), 1) << "two held the lock";
  }
}

int no_locks(int, int) {
  errno = ENOLCK;
  return -1;
}

RunStatus status_of(const char* host, int64_t pid, const char* start) {
  return {.state = "running", .host = host, .pid = pid, .process_start = start};
}

TEST(RunLock, WithoutLocksTheStatusTells) {
  const TempFolder folder;
  { const RunLock lock(folder.path(), no_locks); }
  const RunStatusFile running(folder.path(), "lora", 9);
  expect_mentions(message_of([&] { RunLock lock(folder.path(), no_locks); }),
                  {"trains in this folder"});
  const auto status = read_status(folder.path());
  ASSERT_TRUE(status);
  EXPECT_TRUE(seems_alive(*status, folder.path()));
  EXPECT_FALSE(seems_alive(status_of(status->host.c_str(), status->pid, "1"), folder.path()));
}

// Of another machine's run only the age of its metrics is known, and not where a clock was set back.
TEST(RunLock, WithoutLocksAnotherMachineIsAskedForItsLastWord) {
  const TempFolder folder;
  const RunStatus other = status_of("elsewhere", 1, "1");
  EXPECT_FALSE(seems_alive(other, folder.path()));
  write_file(folder / "metrics.jsonl", "");
  EXPECT_TRUE(seems_alive(other, folder.path()));
  for (const auto shift : {std::chrono::hours(-1), std::chrono::hours(9000)}) {
    fs::last_write_time(folder / "metrics.jsonl", fs::file_time_type::clock::now() + shift);
    EXPECT_FALSE(seems_alive(other, folder.path())) << shift.count();
  }
}

TEST(RunLock, WhatIsInItsPlaceIsAnError) {
  const TempFolder folder;
  fs::create_directory(folder / ".falconer-lock");
  expect_mentions(message_of([&] { RunLock lock(folder.path()); }), {".falconer-lock"});
  fs::remove(folder / ".falconer-lock");
  write_file(folder / "elsewhere", "kept");
  fs::create_symlink("elsewhere", folder / ".falconer-lock");
  expect_mentions(message_of([&] { RunLock lock(folder.path()); }), {".falconer-lock"});
  EXPECT_EQ(read_text_file(folder / "elsewhere"), "kept");
}

}  // namespace
}  // namespace falconer::test
