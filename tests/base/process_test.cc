#include "base/process.h"

#include <gtest/gtest.h>

#include <csignal>

#include "base/file.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

TEST(Process, GivesOutputAndExitCode) {
  const ProcessResult result = run_process({"/bin/sh", "-c", "echo \"$1\"; exit 3", "sh", "a b*"});
  EXPECT_EQ(result.output, "a b*\n");
  EXPECT_EQ(result.exit_code, 3);
}

TEST(Process, ReadsMoreThanAPipeHolds) {
  const ProcessResult result = run_process({"/bin/sh", "-c", "head -c 300000 /dev/zero"});
  EXPECT_EQ(result.output.size(), 300000u);
}

TEST(Process, ASignalCounts) {
  EXPECT_EQ(run_process({"/bin/sh", "-c", "kill -9 $$"}).exit_code, 128 + 9);
}

TEST(Process, WhatItSaysCanGoToALog) {
  const TempFolder folder;
  run_process({"/bin/sh", "-c", "echo said >&2"}, folder / "log");
  EXPECT_EQ(read_text_file(folder / "log"), "said\n");
}

TEST(Process, AnEndThatNobodyCanTellIsAnError) {
  struct sigaction before = {}, ignored = {};
  ignored.sa_handler = SIG_IGN;
  ::sigaction(SIGCHLD, &ignored, &before);
  expect_mentions(message_of([] {
                    run_process({"/bin/sh", "-c", "exit 0"});
                  }),
                  {"how a process ended cannot be told"});
  ::sigaction(SIGCHLD, &before, nullptr);
}

TEST(Process, AProgramThatIsNotThereIsAnError) {
  expect_mentions(message_of([] { run_process({"/no/such/program"}); }), {"/no/such/program"});
}

}  // namespace
}  // namespace falconer::test
