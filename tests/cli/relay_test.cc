#include "cli/relay.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "base/error.h"
#include "support/errors.h"

namespace falconer::cli {
namespace {

using test::message_of;

void put(const Relay& relay, std::string_view text) {
  ASSERT_EQ(::write(relay.child_end(), text.data(), text.size()), std::ssize(text));
}

TEST(Relay, HandsOnAllThatComes) {
  std::string got;
  Relay relay([&](std::string_view text) { got += text; });
  put(relay, "one\n");
  put(relay, std::string("\0\xFF two", 6));
  relay.begin();
  relay.finish();
  EXPECT_EQ(got, std::string("one\n\0\xFF two", 10));
  EXPECT_FALSE(relay.failed());
}

// A character that comes in two pieces is handed on in one, and what ends within one at last.
TEST(Relay, PiecesEndBetweenCharacters) {
  std::string got;
  std::atomic<size_t> pieces = 0;
  Relay relay([&](std::string_view text) {
    got += "[" + std::string(text) + "]";
    ++pieces;
  });
  const int writes = ::dup(relay.child_end());
  relay.begin();
  ASSERT_EQ(::write(writes, "a\xE4\xB8", 3), 3);
  while (pieces == 0) ::usleep(1000);
  ASSERT_EQ(::write(writes, "\x96\xC3", 2), 2);
  while (pieces == 1) ::usleep(1000);
  ::close(writes);
  relay.finish();
  EXPECT_EQ(got, "[a][\xE4\xB8\x96][\xC3]");
}

TEST(Relay, WhatIsNotTakenDoesNotHoldTheChildUp) {
  int taken = 0;
  Relay relay([&](std::string_view) {
    ++taken;
    fail("full");
  });
  const int writes = ::dup(relay.child_end());
  relay.begin();
  const std::string much(1 << 20, 'x');  // more than a pipe holds
  for (size_t at = 0; at < much.size();) {
    const ssize_t count = ::write(writes, much.data() + at, much.size() - at);
    ASSERT_GT(count, 0);
    at += static_cast<size_t>(count);
  }
  ::close(writes);
  EXPECT_EQ(message_of([&] { relay.finish(); }), "full");
  EXPECT_TRUE(relay.failed());
  EXPECT_EQ(taken, 1);
}

}  // namespace
}  // namespace falconer::cli
