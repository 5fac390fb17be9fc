#include "support/emulated_gpu.h"
// Behind it: what its queue calls.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <map>
#include <random>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "ops/cuda/rank_sum.h"
#include "support/fiber.h"
#include "tensor/device_queue.h"

namespace falconer::emulated {
namespace {

constexpr size_t kStackBytes = 64 << 10;
constexpr int kLanes = 32;
constexpr size_t kExchanged = 16;

enum class State { kRunnable, kAtWarp, kAtBlock, kDone };

struct Fiber {
  Context context;
  std::unique_ptr<char[]> stack;
  State state = State::kDone;
  std::byte exchanged[kExchanged];
  // Where a warp's or a block's threads meet are its first one's, in turns: who is ahead may be at the next
  // meeting already.
  std::byte meetings[2][2];
  int waits[2] = {};  // of a warp, of the block, so far
};

/// The threads of one block, on one thread of the host.
class Block {
 public:
  static Block& mine() {
    thread_local Block block;
    return block;
  }

  void run(int threads, size_t shared, const std::function<void()>& thread) {
    while (std::ssize(fibers_) < threads) {
      fibers_.push_back(std::make_unique<Fiber>());
      fibers_.back()->stack = std::make_unique<char[]>(kStackBytes);
    }
    threads_ = threads;
    thread_ = &thread;
    // What nobody wrote reads as NaN.
    shared_.assign(shared + 128, std::byte{0xff});
    for (int i = 0; i < threads; ++i) begin(*fibers_[i]);
    happens_before(&begun_);
    while (!all(State::kDone)) {
      resume_all();
      if (failed_) break;
      release();
    }
    happens_after(&ended_);
    if (std::exchange(failed_, false)) std::rethrow_exception(std::exchange(error_, nullptr));
  }

  /// Waits for the others: what they wrote before can be read behind it.
  FALCONER_NOT_WATCHED void meet(State state) {
    const bool all = state == State::kAtBlock;
    std::byte* const meeting = &fibers_[all ? 0 : threadIdx.x / kLanes * kLanes]
                                    ->meetings[all][fibers_[threadIdx.x]->waits[all]++ % 2];
    happens_before(meeting);
    wait(state);
    happens_after(meeting);
  }

  // A shuffle orders nothing but what it carries.
  FALCONER_NOT_WATCHED void exchange(const void* mine, void* other, size_t bytes, int lane) {
    const unsigned me = threadIdx.x;
    copy(fibers_[me]->exchanged, mine, bytes);
    wait(State::kAtWarp);
    copy(other, fibers_[me / kLanes * kLanes + static_cast<unsigned>(lane)]->exchanged, bytes);
    wait(State::kAtWarp);
  }

  std::byte* shared() {
    const auto address = reinterpret_cast<uintptr_t>(shared_.data());
    return shared_.data() + (128 - address % 128) % 128;
  }

 private:
  FALCONER_NOT_WATCHED void wait(State state) {
    Fiber& fiber = *fibers_[threadIdx.x];
    fiber.state = state;
    Context::change(fiber.context, scheduler_);
  }

  // Byte by byte: memcpy is watched.
  FALCONER_NOT_WATCHED static void copy(void* to, const void* from, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i)
      static_cast<volatile std::byte*>(to)[i] = static_cast<const volatile std::byte*>(from)[i];
  }

  FALCONER_NOT_WATCHED static void enter() {
    Block& block = mine();
    Fiber& fiber = *block.fibers_[threadIdx.x];
    happens_after(&block.begun_);
    try {
      (*block.thread_)();
    } catch (...) {
      if (!block.failed_) block.error_ = std::current_exception();
      block.failed_ = true;
    }
    happens_before(&block.ended_);
    fiber.state = State::kDone;
    Context::change(fiber.context, block.scheduler_);
  }

  void begin(Fiber& fiber) {
    fiber.context.begin(fiber.stack.get(), kStackBytes, enter);
    fiber.state = State::kRunnable;
    fiber.waits[0] = fiber.waits[1] = 0;
  }

  // From another thread on, this way round or that, each time: a kernel that counts on an order is
  // found out.
  void resume_all() {
    const int first = static_cast<int>(random_() % static_cast<unsigned>(threads_));
    const bool back = random_() % 2 == 0;
    for (int k = 0; k < threads_; ++k) {
      const int i = (first + (back ? threads_ - k : k)) % threads_;
      if (fibers_[i]->state == State::kRunnable) resume(i);
    }
  }

  FALCONER_NOT_WATCHED void resume(int i) {
    threadIdx = dim3(static_cast<unsigned>(i), 0, 0);
    Context::change(scheduler_, fibers_[i]->context);
  }

  bool all(State state) const {
    return std::all_of(fibers_.begin(), fibers_.begin() + threads_,
                       [&](const auto& fiber) { return fiber->state == state; });
  }

  // Every thread ended or waits: warps that are together go on, or else the whole block.
  void release() {
    bool released = false;
    for (int first = 0; first < threads_; first += kLanes) {
      const auto count = [&](State state) {
        return std::count_if(fibers_.begin() + first, fibers_.begin() + first + kLanes,
                             [&](const auto& fiber) { return fiber->state == state; });
      };
      if (count(State::kAtWarp) == 0) continue;
      if (count(State::kAtWarp) != kLanes)
        fail_on_device("emulated GPU", "lanes of a warp wait in different places");
      for (int i = first; i < first + kLanes; ++i) fibers_[i]->state = State::kRunnable;
      released = true;
    }
    if (released || all(State::kDone)) return;
    if (!all(State::kAtBlock))
      fail_on_device("emulated GPU", "threads of a block wait for some that have ended");
    for (int i = 0; i < threads_; ++i) fibers_[i]->state = State::kRunnable;
  }

  std::vector<std::unique_ptr<Fiber>> fibers_;
  int threads_ = 0;
  const std::function<void()>* thread_ = nullptr;
  Context scheduler_;
  std::vector<std::byte> shared_;
  std::exception_ptr error_;
  bool failed_ = false;
  std::byte begun_, ended_;  // meetings of the threads with the one that starts them
  std::minstd_rand random_;
};

class EmulatedDevice : public Device {
 public:
  explicit EmulatedDevice(const EmulatedShape& shape) : Device("emulated"), shape_(shape) {}
  ~EmulatedDevice() override {
    queue_.clear();
    release_services();
  }

  size_t free_bytes() override { return shape_.memory_bytes - used_; }
  size_t total_bytes() override { return shape_.memory_bytes; }
  int processors() const override { return shape_.processors; }
  size_t shared_bytes() const override { return shape_.shared_bytes; }

  std::byte* allocate(size_t bytes) override {
    const size_t pages = (bytes + 4095) / 4096 * 4096;
    if (pages > free_bytes()) fail("emulated GPU: {} bytes cannot be had", bytes);
    void* memory =
        ::mmap(nullptr, pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    FALCONER_CHECK(memory != MAP_FAILED);
    memory_[static_cast<std::byte*>(memory)] = pages;
    used_ += pages;
    return static_cast<std::byte*>(memory);
  }
  void release(std::byte* memory) noexcept override {
    run_until(given());
    const auto found = memory_.find(memory);
    used_ -= found->second;
    ::munmap(memory, found->second);
    memory_.erase(found);
  }
  std::byte* allocate_pinned(size_t bytes) override { return new std::byte[bytes]; }
  void release_pinned(std::byte* memory) noexcept override {
    run_until(given());
    delete[] memory;
  }
  void set_zero(void* to, size_t bytes) override {
    enqueue([=] { std::memset(to, 0, bytes); });
  }
  void synchronize() override { run_until(given()); }
  std::unique_ptr<DeviceQueue> open_queue() override;

  const EmulatedShape& shape() const { return shape_; }
  void enqueue(std::function<void()> work) {
    if (launched_into_)
      launched_into_(std::move(work));
    else
      queue_.push_back(std::move(work));
  }
  /// Where work is enqueued until this is called again; empty: here.
  void launch_into(std::function<void(std::function<void()>)> queue) {
    launched_into_ = std::move(queue);
  }
  int64_t given() const { return first_ + std::ssize(queue_); }

  void run_until(int64_t number) {
    if (first_ >= number) return;
    const Touching touching(*this);
    while (first_ < number) {
      const std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      ++first_;
      work();
    }
  }

  /// While one lives the memory can be touched.
  class Touching {
   public:
    explicit Touching(EmulatedDevice& device) : device_(device) {
      if (device_.touching_++ == 0) device_.protect(PROT_READ | PROT_WRITE);
    }
    Touching(const Touching&) = delete;
    Touching& operator=(const Touching&) = delete;
    ~Touching() {
      if (--device_.touching_ == 0) device_.protect(PROT_NONE);
    }

   private:
    EmulatedDevice& device_;
  };

 protected:
  void copy_async(void* to, const void* from, size_t bytes) override {
    enqueue([=] { std::memcpy(to, from, bytes); });
  }
  void record(int mark) override { marks_[mark] = first_ + std::ssize(queue_); }
  void wait(int mark) override { run_until(marks_[mark]); }

 private:
  void protect(int how) {
    for (const auto& [memory, bytes] : memory_) ::mprotect(memory, bytes, how);
  }

  EmulatedShape shape_;
  size_t used_ = 0;
  std::map<std::byte*, size_t> memory_;
  std::deque<std::function<void()>> queue_;
  int64_t first_ = 0;  // number of the first piece of work in the queue
  int64_t marks_[kMarks] = {};
  int touching_ = 0;
  std::function<void(std::function<void()>)> launched_into_;
};

class EmulatedQueue : public DeviceQueue {
 public:
  explicit EmulatedQueue(EmulatedDevice& device) : device_(device) {}
  // What the device waits for is here.
  ~EmulatedQueue() override {
    try {
      device_.synchronize();
      run_until(given_);
    } catch (...) {
    }
  }

  void make_current() override {}
  void* stream() override { return this; }
  void follow_device() override {
    add([this, number = device_.given()] { device_.run_until(number); });
  }
  void add_sum(const RankSum& sum) override {
    device_.launch_into([this](std::function<void()> work) { add(std::move(work)); });
    add_rank_sum(&device_, sum);
    device_.launch_into({});
  }
  uint64_t mark() override {
    const uint64_t number = ++given_;
    add([this, number] { done_ = number; });
    return number;
  }
  void device_follows(uint64_t mark) override {
    device_.enqueue([this, mark] { run_until(mark); });
  }
  bool reached(uint64_t mark) override { return done_ >= mark; }

  void add(std::function<void()> work) {
    work_.push_back(std::move(work));
    if (device_.shape().hasty_queue) run([this] { return work_.empty(); });
  }

 private:
  void run_until(uint64_t mark) {
    run([&] { return done_ >= mark; });
  }
  template <class Ended>
  void run(const Ended& ended) {
    const EmulatedDevice::Touching touching(device_);
    while (!ended()) {
      const std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      work();
    }
  }

  EmulatedDevice& device_;
  std::deque<std::function<void()>> work_;
  uint64_t given_ = 0;
  std::atomic<uint64_t> done_ = 0;
};

std::unique_ptr<DeviceQueue> EmulatedDevice::open_queue() {
  return std::make_unique<EmulatedQueue>(*this);
}

}  // namespace

void __syncthreads() { Block::mine().meet(State::kAtBlock); }
void __syncwarp(unsigned) { Block::mine().meet(State::kAtWarp); }

void exchange(const void* mine, void* other, size_t bytes, int lane) {
  FALCONER_CHECK(bytes <= kExchanged && lane >= 0 && lane < kLanes);
  Block::mine().exchange(mine, other, bytes, lane);
}

std::byte* shared_memory() { return Block::mine().shared(); }

void enqueue_call(Device& device, std::function<void()> call) {
  static_cast<EmulatedDevice&>(device).enqueue(std::move(call));
}

void enqueue_call(void* stream, std::function<void()> call) {
  static_cast<EmulatedQueue*>(stream)->add(std::move(call));
}

void enqueue_blocks(Device& device, dim3 grid, int threads, size_t shared,
                    std::function<void()> thread) {
  FALCONER_CHECK(threads <= 1024 && shared <= device.shared_bytes());
  enqueue_call(device, [=, thread = std::move(thread)] {
    const int64_t blocks = int64_t{grid.x} * grid.y * grid.z;
    parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
      gridDim = grid;
      blockDim = dim3(static_cast<unsigned>(threads));
      // Last first: a kernel that counts on an order is found out.
      for (int64_t i = end - 1; i >= begin; --i) {
        blockIdx =
            dim3(static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                 static_cast<unsigned>(i / grid.x / grid.y));
        Block::mine().run(threads, shared, thread);
      }
    });
  });
}

std::unique_ptr<Device> open_emulated(const EmulatedShape& shape) {
  return std::make_unique<EmulatedDevice>(shape);
}

const EmulatedShape& shape_of(const Device& device) {
  return static_cast<const EmulatedDevice&>(device).shape();
}

}  // namespace falconer::emulated
