// A model that was opened and let go leaves nothing behind: no memory, no files, no threads.
#include <gtest/gtest.h>
#include <malloc.h>

#include <filesystem>

#include "base/file.h"
#include "base/system.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/sanitized.h"
#include "support/tiny_model.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

const fs::path kDemoFolder = fs::path(source_dir()) / "demo/checkpoint";

int64_t entries(const char* folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

/// What this process holds of the system.
struct Held {
  int64_t heap = static_cast<int64_t>(mallinfo2().uordblks);
  int64_t resident = resident_bytes();
  int64_t files = entries("/proc/self/fd");
  int64_t threads = entries("/proc/self/task");
  int64_t maps = std::ranges::count(read_text_file("/proc/self/maps"), '\n');
};

/// `once`, a thousand times. The first hundred may fill what is kept once for the whole process.
void expect_nothing_stays(const std::function<void()>& once) {
  for (int i = 0; i < 100; ++i) once();
  const Held before;
  for (int i = 100; i < (kSanitized ? 150 : 1000); ++i) once();
  const Held after;
  EXPECT_EQ(after.files, before.files);
  EXPECT_EQ(after.threads, before.threads);
  // A sanitizer's allocator keeps for a while what is freed, and it finds leaks by itself.
  if (kSanitized) return;
  EXPECT_LT(after.heap - before.heap, 900 * 16) << "bytes that were not freed";
  EXPECT_LT(after.resident - before.resident, 1 << 20);
  EXPECT_LE(after.maps - before.maps, 8);
}

/// The demo's checkpoint with what `method` learns in a step.
std::string trained(const TempFolder& folder, const std::string& method) {
  set_verbosity("quiet");
  FinetuneOptions options;
  options.method = method;
  options.checkpoint = kDemoFolder.string();
  options.data = kDemoFolder.parent_path() / "data";
  options.out = folder / method;
  options.max_steps = 1;
  options.batch_size = options.micro_batch_size = 1;
  return finetune(options).final_folder;
}

void open_and_answer(const std::string& adapter) {
  Model model = Model::open({.checkpoint = kDemoFolder.string(), .adapter = adapter});
  model.generate({{1, 2, 3}}, {.max_new_tokens = 1, .temperature = 0});
}

TEST(Model, AThousandLoadsLeaveNothingBehind) {
  expect_nothing_stays([] { open_and_answer(""); });
}

TEST(Model, AThousandLoadsWithAnAdapterLeaveNothingBehind) {
  const TempFolder folder;
  const std::string lora = trained(folder, "lora"), adapter = trained(folder, "adapter-v2");
  int count = 0;
  expect_nothing_stays([&] { open_and_answer(++count % 2 == 0 ? lora : adapter); });
}

TEST(Model, AThousandLoadsThatFailLeaveNothingBehind) {
  const TempFolder folder;
  const fs::path damaged = folder / "damaged";
  fs::copy(kDemoFolder, damaged);
  fs::resize_file(damaged / "model.safetensors",
                  fs::file_size(kDemoFolder / "model.safetensors") - 1);
  const std::string lora = trained(folder, "lora");
  fs::resize_file(fs::path(lora) / "adapter_model.safetensors", 1000);
  expect_nothing_stays([&] {
    EXPECT_THROW(Model::open({.checkpoint = damaged.string()}), Error);
    EXPECT_THROW(Model::open({.checkpoint = kDemoFolder.string(), .adapter = lora}), Error);
  });
}

}  // namespace
}  // namespace falconer::test
