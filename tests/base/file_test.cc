#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <future>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/system.h"
#include "support/temp_folder.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

/// The message of the Error that `work` throws, which must name `path`.
template <class F>
std::string error_about(const fs::path& path, F&& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error about " << path;
  return "";
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// Runs `work` in a process of its own that dies without any clean-up, as at a power cut.
template <class F>
void crash_after(F&& work) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    work();
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(MappedFile, ShowsTheBytes) {
  const TempFolder folder;
  write_file(folder / "a", "some bytes");
  MappedFile a(folder / "a");
  EXPECT_EQ(a.size(), 10u);
  EXPECT_EQ(static_cast<char>(a.bytes()[5]), 'b');
  EXPECT_EQ(a.path(), folder / "a");
  const std::byte* const data = a.data();
  MappedFile b(std::move(a));
  EXPECT_EQ(b.data(), data);
  write_file(folder / "empty", "");
  MappedFile empty(folder / "empty");
  EXPECT_EQ(empty.size(), 0u);
  empty = std::move(b);
  EXPECT_EQ(empty.data(), data);
  EXPECT_EQ(empty.size(), 10u);
}

TEST(MappedFile, SeesTheOldContentAfterAReplacement) {
  const TempFolder folder;
  write_file(folder / "a", "old");
  const MappedFile map(folder / "a");
  write_file(folder / "a", "new and longer");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(map.data()), map.size()), "old");
}

TEST(MappedFile, KeepsItsContentWhenPagesAreForgotten) {
  const TempFolder folder;
  std::string content(1 << 20, 'a');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i % 23);
  write_file(folder / "a", content);
  const MappedFile map(folder / "a");
  const auto text = [&] {
    return std::string(reinterpret_cast<const char*>(map.data()), map.size());
  };
  ASSERT_EQ(text(), content);
  const int64_t before = resident_bytes();
  forget_pages(map.bytes().subspan(5));  // from the middle of a page
  EXPECT_LT(resident_bytes(), before - (1 << 19));
  read_ahead(map.bytes());
  EXPECT_EQ(text(), content);
  forget_pages({});
}

TEST(MappedFile, ErrorsNameThePathAndTheReason) {
  const TempFolder folder;
  const fs::path missing = folder / "missing", pipe = folder / "pipe";
  EXPECT_TRUE(contains(error_about(missing, [&] { MappedFile m(missing); }), "No such file"));
  error_about(folder.path(), [&] { MappedFile m(folder.path()); });
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  error_about(pipe, [&] { MappedFile m(pipe); });  // refused, not waited for
}

TEST(ReadTextFile, ReadsAllOrSaysWhyNot) {
  const TempFolder folder;
  const std::string text("line\nzero \0 inside", 18);
  write_file(folder / "a", text);
  EXPECT_EQ(read_text_file(folder / "a"), text);
  EXPECT_EQ(read_text_file(folder / "a", 18), text);
  const std::string message = error_about(folder / "a", [&] { read_text_file(folder / "a", 17); });
  EXPECT_TRUE(contains(message, "18") && contains(message, "17")) << message;
  write_file(folder / "empty", "");
  EXPECT_EQ(read_text_file(folder / "empty"), "");
  error_about(folder.path(), [&] { read_text_file(folder.path()); });
}

TEST(AtomicFile, WithoutCommitLeavesNothingAndKeepsTheOld) {
  const TempFolder folder;
  { AtomicFile(folder / "a").write("half"); }
  EXPECT_EQ(folder.entries(), 0u);
  write_file(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("half");
    EXPECT_EQ(read_text_file(folder / "a"), "old");
  }
  EXPECT_EQ(read_text_file(folder / "a"), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, CommitReplaces) {
  const TempFolder folder;
  write_file(folder / "a", "old and much longer");
  AtomicFile file(folder / "a");
  file.write("????");
  file.write(" new");
  file.write_at(0, "it is", 5);  // over what was written, and past it
  file.write_at(0, "good", 4);
  file.commit();
  EXPECT_EQ(read_text_file(folder / "a"), "goodsnew");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, CrashBeforeCommitKeepsTheOld) {
  const TempFolder folder;
  write_file(folder / "a", "old");
  crash_after([&] {
    AtomicFile* file = new AtomicFile(folder / "a");  // its clean-up must not run
    file->write("half");
  });
  EXPECT_EQ(read_text_file(folder / "a"), "old");
}

TEST(AtomicFile, ErrorsNameThePath) {
  const TempFolder folder;
  fs::create_directory(folder / "is-folder");
  error_about(folder / "is-folder", [&] { AtomicFile f(folder / "is-folder"); });
  const fs::path lost = folder / "no-such-folder" / "a";
  EXPECT_TRUE(contains(error_about(lost, [&] { AtomicFile f(lost); }), "No such file"));
  fs::create_directory(folder / "gone");
  AtomicFile file(folder / "gone" / "a");
  fs::remove_all(folder / "gone");
  error_about(folder / "gone" / "a", [&] { file.commit(); });
}

// A full disk, played by a limit on the size of files.
// Threads that write the same file do not write into each other's.
TEST(AtomicFile, OneOfSeveralAtOnceStays) {
  const TempFolder folder;
  const auto write = [&](char letter) {
    for (int i = 0; i < 50; ++i) write_file(folder / "x", std::string(100000, letter));
  };
  auto other = std::async(std::launch::async, write, 'a');
  write('b');
  other.get();
  const std::string text = read_text_file(folder / "x");
  ASSERT_EQ(text.size(), 100000u);
  EXPECT_EQ(text.find_first_not_of(text[0]), std::string::npos);
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, FailedWriteNamesThePathAndKeepsTheOld) {
  const TempFolder folder;
  write_file(folder / "a", "old");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1000, before.rlim_max};
  auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message =
      error_about(folder / "a", [&] { write_file(folder / "a", std::string(5000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_TRUE(contains(message, "too large")) << message;
  EXPECT_EQ(read_text_file(folder / "a"), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, BehindALinkItIsTheTargetThatIsWritten) {
  const TempFolder folder;
  fs::create_directory(folder / "far");
  write_file(folder / "far" / "file", "old");
  ASSERT_EQ(::chmod((folder / "far" / "file").c_str(), 0600), 0);
  fs::create_symlink("far/file", folder / "link");
  fs::create_symlink("far/new", folder / "dangling");
  write_file(folder / "link", "new");
  write_file(folder / "dangling", "made");
  EXPECT_TRUE(fs::is_symlink(folder / "link") && fs::is_symlink(folder / "dangling"));
  EXPECT_EQ(read_text_file(folder / "far" / "file"), "new");
  EXPECT_EQ(read_text_file(folder / "far" / "new"), "made");
  struct stat info {};
  ASSERT_EQ(::stat((folder / "far" / "file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u) << "what nobody else could read, nobody else can";
}

TEST(AtomicFile, WhatIsNoFileIsWrittenThrough) {
  const TempFolder folder;
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  auto reader = std::async(std::launch::async, [&] {
    std::ifstream in(pipe);
    return std::string(std::istreambuf_iterator<char>(in), {});
  });
  {
    AtomicFile file(pipe);
    file.write("in ");
    file.write("order");
    file.commit();
  }
  EXPECT_EQ(reader.get(), "in order");
  EXPECT_TRUE(fs::is_fifo(pipe));
  write_file("/dev/null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  error_about("/dev/full", [] { write_file("/dev/full", "x"); });
  error_about(pipe, [&] { PendingFile pending(pipe); });
  error_about(pipe, [&] { AtomicFolder made(pipe); });
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, OfADescriptorItIsTheDescriptorThatIsWritten) {
  const TempFolder folder;
  const int file = ::open((folder / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ASSERT_GE(file, 0);
  ASSERT_EQ(::write(file, "before ", 7), 7);
  write_file(fmt::format("/dev/fd/{}", file), "through");
  ASSERT_EQ(::write(file, " after", 6), 6);
  ::close(file);
  EXPECT_EQ(read_text_file(folder / "log"), "before through after");
}

// Whatever a process that was killed had begun is gone when the next one writes there, and nothing
// else is.
TEST(Partials, AreClearedByTheNextThatWritesThere) {
  const TempFolder folder;
  const auto begin = [&](const char* what) {
    crash_after([&] {
      if (*what == 'f') (new AtomicFile(folder / "file"))->write("half");
      if (*what == 'd') write_file((new AtomicFolder(folder / "dir"))->folder() / "a", "half");
      if (*what == 'p') write_file((new PendingFile(folder / "pending"))->partial(), "half");
    });
  };
  for (const char* what : {"file", "dir", "pending"}) begin(what);
  ASSERT_EQ(folder.entries(), 3u);
  write_file(folder / "other", "");
  EXPECT_EQ(folder.entries(), 4u) << "what is left of others is not its care";
  write_file(folder / "file", "whole");
  EXPECT_EQ(folder.entries(), 4u);
  {
    AtomicFolder made(folder / "dir" / "");
    made.commit();
  }
  EXPECT_EQ(folder.entries(), 4u);
  {
    PendingFile pending(folder / "pending");
    write_file(pending.partial(), "whole");
    pending.commit();
  }
  EXPECT_EQ(folder.entries(), 4u);
  EXPECT_EQ(read_text_file(folder / "pending"), "whole");
  begin("dir");
  clear_partials(folder.path());
  EXPECT_EQ(folder.entries(), 4u);
}

TEST(Partials, OfTheLivingAndWhatOnlyLooksAlikeStay) {
  const TempFolder folder;
  AtomicFile first(folder / "a");
  AtomicFolder made(folder / "d");
  PendingFile pending(folder / "p");
  { AtomicFile second(folder / "a"); }
  { AtomicFolder other(folder / "d"); }
  { PendingFile other(folder / "p"); }
  clear_partials(folder.path());
  EXPECT_EQ(folder.entries(), 3u);
  first.write("x");
  first.commit();
  write_file(pending.partial(), "y");
  pending.commit();
  made.commit();
  EXPECT_EQ(folder.entries(), 3u);
  // A number that no process has.
  const std::vector<std::string> alike = {".notes.partial-4194303-final",
                                          ".a.partial-4194303",
                                          ".a.partial-4194303-",
                                          ".a.partial-x-4194303-1",
                                          ".a.partial-01234567-4194303-1.txt",
                                          "a.partial-4194303-1",
                                          ".partial-4194303-1"};
  for (const std::string& name : alike) std::ofstream(folder / name) << "mine";
  clear_partials(folder.path());
  write_file(folder / "a", "again");
  for (const std::string& name : alike) EXPECT_TRUE(fs::exists(folder / name)) << name;
  // As an earlier version named them: without a lock, so that the process alone is asked for.
  std::ofstream(folder / ".a.partial-4194303-1") << "left";
  std::ofstream(folder / fmt::format(".a.partial-{}-1", ::getppid())) << "being written";
  write_file(folder / "a", "once more");
  EXPECT_FALSE(fs::exists(folder / ".a.partial-4194303-1"));
  EXPECT_TRUE(fs::exists(folder / fmt::format(".a.partial-{}-1", ::getppid())));
}

TEST(Partials, WhatWasMovedAsideComesBack) {
  const TempFolder folder;
  fs::create_directory(folder / ".out.partial-4194303-1.old");
  write_file(folder / ".out.partial-4194303-1.old" / "a", "old");
  clear_partials(folder.path());
  EXPECT_EQ(read_text_file(folder / "out" / "a"), "old");
}

TEST(Partials, LongNamesHaveThemToo) {
  const TempFolder folder;
  const fs::path path = folder / std::string(250, 'n');
  write_file(path, "x");
  EXPECT_EQ(read_text_file(path), "x");
  crash_after([&] { (new AtomicFile(path))->write("half"); });
  EXPECT_EQ(folder.entries(), 2u);
  write_file(path, "y");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFolder, AppearsWholeAndReplacesWhatStoodThere) {
  const TempFolder folder;
  for (const char* const content : {"first", "second"}) {
    AtomicFolder made(folder / "out" / "final" / "");  // a slash at the end changes nothing
    fs::create_directory(made.folder() / "inner");
    write_file(made.folder() / "inner" / content, content);
    made.commit();
    EXPECT_EQ(read_text_file(folder / "out" / "final" / "inner" / content), content);
  }
  EXPECT_FALSE(fs::exists(folder / "out" / "final" / "inner" / "first"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "out"), fs::directory_iterator{}), 1);
}

TEST(AtomicFolder, WithoutCommitLeavesNothingAndKeepsTheOld) {
  const TempFolder folder;
  { AtomicFolder unused(folder / "out"); }
  EXPECT_EQ(folder.entries(), 0u);
  make_folder(folder / "out");
  write_file(folder / "out" / "a", "old");
  {
    AtomicFolder made(folder / "out");
    write_file(made.folder() / "a", "half");
  }
  EXPECT_EQ(read_text_file(folder / "out" / "a"), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFolder, CrashBeforeCommitKeepsTheOldAndTheNextOneStillWorks) {
  const TempFolder folder;
  make_folder(folder / "out");
  write_file(folder / "out" / "a", "old");
  crash_after([&] {
    AtomicFolder* made = new AtomicFolder(folder / "out");  // its clean-up must not run
    write_file(made->folder() / "a", "half");
  });
  EXPECT_EQ(read_text_file(folder / "out" / "a"), "old");
  AtomicFolder next(folder / "out");
  write_file(next.folder() / "a", "new");
  next.commit();
  EXPECT_EQ(read_text_file(folder / "out" / "a"), "new");
}

TEST(AtomicFolder, ErrorsNameThePath) {
  const TempFolder folder;
  write_file(folder / "file", "");
  error_about(folder / "file", [&] { AtomicFolder made(folder / "file" / "out"); });
}

TEST(MakeFolder, MakesParentsAndRefusesAFileInTheWay) {
  const TempFolder folder;
  make_folder(folder / "a" / "b" / "c");
  make_folder(folder / "a" / "b" / "c");
  EXPECT_TRUE(fs::is_directory(folder / "a" / "b" / "c"));
  write_file(folder / "file", "");
  error_about(folder / "file", [&] { make_folder(folder / "file"); });
  error_about(folder / "file" / "deeper", [&] { make_folder(folder / "file" / "deeper"); });
}

}  // namespace
}  // namespace falconer
