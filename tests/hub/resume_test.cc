// The program is killed at random bytes of a download, again and again. What it had received is on
// disk, and the next run goes on from there.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "support/hub_fixture.h"
#include "support/paths.h"

extern char** environ;

namespace falconer::hub {
namespace {

namespace fs = std::filesystem;
using test::FakeRequest;
using test::noise;

constexpr size_t kPiece = 1 << 16;  // what the server sends at a time: the block
constexpr uint64_t kSize = 6'000'011;
constexpr size_t kKills = 20;

class HubResume : public test::HubFixture {
 protected:
  HubResume() : content_(noise(kSize, 11)), hash_(test::sha256_of(content_)) {
    auto files = test::model_files();
    files["model.safetensors"] = {content_, true};
    hub_.add("org/model", files);
    partial_ = blob(hash_ + ".incomplete");
  }

  /// Starts `falconer download org/model`.
  pid_t start() const {
    const std::string endpoint = "HF_ENDPOINT=" + hub_.endpoint();
    const std::string home = "HF_HOME=" + folder_.path().string();
    const pid_t child = ::fork();
    if (child != 0) return child;
    const char* const arguments[] = {program_path(), "download", "org/model",
                                     "--log",        "warning",  nullptr};
    const char* const variables[] = {endpoint.c_str(), home.c_str(), nullptr};
    ::freopen("/dev/null", "w", stdout);
    ::execve(program_path(), const_cast<char* const*>(arguments),
             const_cast<char* const*>(variables));
    ::_exit(127);
  }
  static bool was_killed(pid_t child) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) return true;
    EXPECT_EQ(WEXITSTATUS(status), 0);
    return false;
  }
  uint64_t stored() const {
    std::error_code error;
    const uint64_t size = fs::file_size(partial_, error);
    return error ? 0 : size;
  }
  void expect_right() const {
    EXPECT_EQ(test::sha256_of(read_text_file(blob(hash_))), hash_);
    EXPECT_FALSE(fs::exists(partial_));
    EXPECT_EQ(find_cached(settings(), request("org/model")).completeness, Completeness::kWhole);
  }

  std::string content_, hash_;
  fs::path partial_;
};

TEST_F(HubResume, KilledTwentyTimesFetchesAtMostABlockTwiceEachTime) {
  const RandomStream random(2026, RandomPurpose::kTest);
  std::vector<uint64_t> places;
  for (size_t i = 0; i < kKills; ++i) places.push_back(1 + random.below(i, kSize - 1));
  std::sort(places.begin(), places.end());
  std::atomic<pid_t> child{0};
  std::atomic<uint64_t> place{0};
  // The server sends up to the very byte and kills. Before each piece it waits until the one before
  // is on disk, so that what is on its way is one piece and not what a kernel's buffers hold.
  hub_.set_gate(
      [&](const FakeRequest& asked, uint64_t at, size_t size) -> size_t {
        if (!asked.to_store || asked.target != "/" + hash_) return size;
        if (at >= place) {
          ::kill(child, SIGKILL);
          return 0;
        }
        for (int i = 0; i < 20000 && stored() < at; ++i)
          std::this_thread::sleep_for(std::chrono::microseconds(100));
        EXPECT_GE(stored(), at) << "what came is not on disk";
        return std::min<uint64_t>(size, place - at);
      },
      kPiece);
  size_t kills = 0;
  uint64_t twice = 0, most = 0;
  for (size_t i = 0; i <= kKills; ++i) {
    const uint64_t have = stored();
    place = i < kKills ? std::max(places[i], have + 1) : kSize + 1;
    child = start();
    ASSERT_GT(child, 0);
    if (!was_killed(child)) break;
    ++kills;
    const uint64_t lost = place - stored();
    most = std::max(most, lost);
    twice += lost;
    EXPECT_LE(lost, kPiece);
    EXPECT_FALSE(fs::exists(blob(hash_)));
  }
  EXPECT_EQ(kills, kKills);
  expect_right();
  EXPECT_EQ(hub_.sent(hash_), kSize + twice);
  EXPECT_LE(hub_.sent(hash_), kSize + kKills * kPiece);
  RecordProperty("bytes_twice", static_cast<int>(twice));
  std::printf("killed %zu times: %llu bytes of %llu were sent twice, %llu at most for a kill\n",
              kills, static_cast<unsigned long long>(twice), static_cast<unsigned long long>(kSize),
              static_cast<unsigned long long>(most));
}

TEST_F(HubResume, KilledAtRandomMomentsEndsRight) {
  const RandomStream random(7, RandomPurpose::kTest);
  hub_.set_gate(
      [](const FakeRequest&, uint64_t, size_t size) {
        std::this_thread::sleep_for(std::chrono::microseconds(500));
        return size;
      },
      kPiece);
  bool killed = true;
  size_t kills = 0;
  for (size_t i = 0; killed && i < 200; ++i) {
    const pid_t child = start();
    // Later tries are given longer: a busy machine comes to its end as well.
    const uint64_t micros = 5000 + 2000 * i + random.below(i, 60000);
    std::this_thread::sleep_for(std::chrono::microseconds(micros));
    ::kill(child, SIGKILL);
    killed = was_killed(child);
    kills += killed;
    EXPECT_TRUE(!killed || !fs::exists(blob(hash_)) ||
                test::sha256_of(read_text_file(blob(hash_))) == hash_);
  }
  EXPECT_FALSE(killed) << "never came to its end";
  expect_right();
  std::printf("killed %zu times at any moment: %llu bytes of %llu sent\n", kills,
              static_cast<unsigned long long>(hub_.sent(hash_)),
              static_cast<unsigned long long>(kSize));
}

}  // namespace
}  // namespace falconer::hub
