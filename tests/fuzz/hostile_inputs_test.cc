// Every parser on what the fuzzers begin with, on what they found, and on a few thousand inputs that are
// made from these on the spot: the same every time, without clang. The fuzzers themselves: fuzz/run.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "base/threads.h"
#include "fuzz/targets.h"
#include "support/paths.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;
using fuzz::Target;

/// Seeds and findings, sorted by name.
std::vector<std::string> inputs_of(const Target& target) {
  std::vector<fs::path> paths;
  for (const char* folder : {"seeds", "found"}) {
    const fs::path all = fs::path(source_dir()) / "fuzz" / folder / target.name;
    if (!fs::exists(all)) continue;
    for (const auto& entry : fs::directory_iterator(all)) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const fs::path& path : paths) inputs.push_back(read_text_file(path));
  return inputs;
}

/// A few bytes changed, taken out, doubled, or replaced by a part of another input.
std::string changed(const std::vector<std::string>& inputs, size_t which, uint32_t round) {
  const RandomStream random(7, RandomPurpose::kTest, static_cast<uint32_t>(which), round);
  std::string text = inputs[which];
  uint64_t draw = 0;
  const auto below = [&](size_t n) {
    return static_cast<size_t>(random.below(draw++, static_cast<uint64_t>(std::max<size_t>(n, 1))));
  };
  for (size_t changes = 1 + below(4); changes > 0; --changes) {
    const size_t at = below(text.size()), length = below(std::min<size_t>(text.size() - at, 32));
    const std::string& other = inputs[below(inputs.size())];
    const size_t from = below(other.size());
    switch (below(6)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      case 3:
        text.replace(at, length, other.substr(from, length + below(8)));
        break;
      case 4:
        text.replace(at, std::min<size_t>(length, 8), std::min<size_t>(length, 8), '\xff');
        break;
      default:
        text.resize(at);
    }
  }
  return text;
}

class HostileInputs : public testing::TestWithParam<Target> {
 protected:
  HostileInputs() {
    set_log_level(LogLevel::kQuiet);
    set_thread_count(1);
  }
  ~HostileInputs() override {
    set_thread_count(threads_);
    set_log_level(level_);
  }

  /// Nothing but an Error may come out of it, and not late.
  static void run(std::string_view input, const std::string& what) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_NO_THROW(fuzz::run_target(GetParam(), input)) << GetParam().name << ", " << what;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10)) << what;
  }

 private:
  LogLevel level_ = log_level();
  int threads_ = thread_count();
};

TEST_P(HostileInputs, EndInAnErrorOrAreRead) {
  const std::vector<std::string> inputs = inputs_of(GetParam());
  ASSERT_FALSE(inputs.empty()) << "no seeds for " << GetParam().name;
  run({}, "nothing");
  for (size_t i = 0; i < inputs.size(); ++i) {
    run(inputs[i], "input " + std::to_string(i));
    for (uint32_t round = 0; round < 60; ++round)
      run(changed(inputs, i, round),
          "input " + std::to_string(i) + ", round " + std::to_string(round));
  }
}

INSTANTIATE_TEST_SUITE_P(Parsers, HostileInputs,
                         testing::ValuesIn(fuzz::all_targets().begin(), fuzz::all_targets().end()),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace falconer::test
