// Mistakes that the sanitizers and valgrind have to report: where one is silent, its silence about the
// tests means nothing.
//   broken race | barrier | leak | overrun | overflow | beyond | released | unwritten
#include "support/emulated_gpu.h"
// Behind it: what kernels share.
#include <cstdio>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/threads.h"
#include "ops/cuda/gpu.h"
#include "tensor/arena.h"
#include "tensor/buffer.h"

namespace falconer {
namespace {

volatile int64_t two = 2;  // which the compiler does not know

// Every thread adds to the same number.
int64_t race() {
  set_thread_count(4);
  int64_t sum = 0;
  parallel_for(1000, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sum += i;
  });
  return sum;
}

// A block's threads read what others wrote, without a barrier between.
int64_t barrier() {
  const auto device = emulated::open_emulated();
  const Buffer memory(64 * 4, device.get());
  void (*const kernel)(int32_t*) = [](int32_t* x) {
    auto* room = reinterpret_cast<int32_t*>(emulated::shared_memory());
    room[emulated::threadIdx.x] = 1;
    x[emulated::threadIdx.x] = room[emulated::threadIdx.x ^ 1];
  };
  emulated::launch(device.get(), kernel, {.threads = 64, .shared = 64 * 4},
                   reinterpret_cast<int32_t*>(memory.data()));
  device->synchronize();
  return two;
}

int64_t leak() {
  const auto* lost = new std::vector<int64_t>(998 + two, 1);
  return std::exchange(lost, nullptr)->front();
}

int64_t overrun() {
  const std::vector<int64_t> numbers(1000, 1);
  return numbers.data()[998 + two];
}

int64_t overflow() { return std::numeric_limits<int64_t>::max() - 1 + two; }

// A tensor's memory is a part of an arena's.
int64_t beyond() {
  Arena arena(1 << 12);
  const View x = arena.push(1, 3, Dtype::kI32), y = arena.push(1, 1, Dtype::kI32);
  *x.row<int32_t>(0) = *y.row<int32_t>(0) = 1;
  return x.row<int32_t>(0)[1 + two];
}

int64_t released() {
  Arena arena(1 << 12);
  const size_t mark = arena.mark();
  const View x = arena.push(1, 3, Dtype::kI32);
  x.row<int32_t>(0)[two] = 1;
  arena.release(mark);
  return x.row<int32_t>(0)[two];
}

int64_t unwritten() {
  Arena arena(1 << 12);
  const View x = arena.push(1, 3, Dtype::kI32);
  return x.row<int32_t>(0)[two] > 0 ? 1 : 2;
}

}  // namespace
}  // namespace falconer

int main(int count, char** words) {
  const std::map<std::string, int64_t (*)()> mistakes = {
      {"race", falconer::race},         {"barrier", falconer::barrier},
      {"leak", falconer::leak},         {"overrun", falconer::overrun},
      {"overflow", falconer::overflow}, {"beyond", falconer::beyond},
      {"released", falconer::released}, {"unwritten", falconer::unwritten}};
  if (count != 2 || !mistakes.contains(words[1])) return 2;
  const auto result = static_cast<long long>(mistakes.at(words[1])());
  std::printf("%s: %lld, and nothing was reported\n", words[1], result);
}
