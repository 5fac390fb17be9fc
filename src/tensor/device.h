// A device with memory of its own: memory, copies both ways, and small arrays that its kernels read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace falconer {

class DeviceQueue;

/// Work on a device is queued and done in order: one stream, beside which open_queue() makes another. The services
/// here stand over a few primitives that a driver gives, so that they can be tested without one. Not for two threads.
class Device {
 public:
  explicit Device(std::string name) : name_(std::move(name)) {}
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  /// "cuda:0, NVIDIA H100 80GB HBM3"
  const std::string& name() const { return name_; }
  /// Nothing may be chosen by measuring it, so that results follow from the call alone.
  bool deterministic = false;
  virtual size_t free_bytes() = 0;
  virtual size_t total_bytes() = 0;
  /// Processors that work side by side: how finely work is worth cutting.
  virtual int processors() const = 0;
  /// The most shared memory of one block of threads.
  virtual size_t shared_bytes() const = 0;

  /// Zeroed memory. Error: there is not so much.
  virtual std::byte* allocate(size_t bytes) = 0;
  virtual void release(std::byte* memory) noexcept = 0;
  /// Memory of the host that the device's kernels reach as well, and that it copies at full speed while
  /// the host goes on. Released once the work before is done. Error: there is not so much.
  virtual std::byte* allocate_pinned(size_t bytes) = 0;
  virtual void release_pinned(std::byte* memory) noexcept = 0;
  virtual void set_zero(void* to, size_t bytes) = 0;
  /// Returns when all work is done. Error: some of it failed.
  virtual void synchronize() = 0;
  /// Another queue beside this one (device_queue.h), which must not outlive the device.
  virtual std::unique_ptr<DeviceQueue> open_queue() = 0;

  /// From host memory, which may be changed once this returns.
  void copy_in(void* to, const void* from, size_t bytes);
  /// To host memory, after all work before it.
  void copy_out(void* to, const void* from, size_t bytes);
  /// Where the device has a copy of these bytes of host memory (token ids, row numbers, spans): good
  /// for work that is queued next. What it holds already is not sent again: the layers of a model
  /// ask for the same few arrays.
  const void* staged(const void* host, size_t bytes);

  /// Memory for one operation's own use, until the next operation.
  std::byte* workspace();
  static constexpr size_t kWorkspaceBytes = size_t{64} << 20;
  /// What the services here take of it.
  static constexpr size_t kServiceBytes = size_t{80} << 20;
  /// What a device needs beside a model's arenas: services, and room for kernels, which a driver
  /// loads when they are first used.
  static constexpr size_t kBesideBytes = kServiceBytes + (size_t{256} << 20);
  /// What the CPU's products need beside a model's arenas: oneDNN generates code for each shape of a
  /// product and keeps that of the last 512, with its own pages and each thread's working memory. 20 to
  /// 50 MB, by how many lengths rows have.
  static constexpr size_t kCpuBesideBytes = size_t{40} << 20;

 protected:
  /// Between pinned and device memory, or pinned and pinned; done when its turn comes.
  virtual void copy_async(void* to, const void* from, size_t bytes) = 0;
  /// A mark in the queue, by number, and waiting for the work before it.
  virtual void record(int mark) = 0;
  virtual void wait(int mark) = 0;
  /// To be called by the destructor of the class that has the primitives.
  void release_services() noexcept;

  static constexpr int kMarks = 2;

 private:
  struct Sent {
    size_t at, bytes;
  };
  static constexpr size_t kChunkBytes = size_t{8} << 20,
                          kRingBytes = kServiceBytes - kWorkspaceBytes;

  std::byte* chunk(int64_t number);

  std::string name_;
  std::byte* chunks_ = nullptr;     // pinned: kMarks pieces that copies go through
  std::byte* ring_host_ = nullptr;  // pinned, and its like on the device: what was sent
  std::byte* ring_ = nullptr;
  std::byte* workspace_ = nullptr;
  size_t ring_top_ = 0;
  std::deque<Sent> sent_;
  int64_t next_chunk_ = 0;
};

/// For code that cannot format: throws Error "WHAT: DETAIL".
[[noreturn]] void fail_on_device(const std::string& what, const std::string& detail);

}  // namespace falconer
