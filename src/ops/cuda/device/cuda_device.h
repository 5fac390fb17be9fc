// A real device: CUDA's runtime behind the services of tensor/device.h, and cuBLASLt's handle.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

#include "ops/cuda/open.h"
#include "tensor/device.h"

namespace falconer::cuda {

/// Throws Error where `status` is not success.
void check(cudaError_t status, const char* what);

class Library;  // cuBLASLt, in library_product.cc
struct LibraryDeleter {
  void operator()(Library* library) const;
};

class CudaDevice : public Device {
 public:
  CudaDevice(int index, const cudaDeviceProp& properties);
  ~CudaDevice() override;

  /// Where kernels are queued now: with the device's work, or in another queue while launch_into() has it so.
  cudaStream_t stream() const { return launched_into_ != nullptr ? launched_into_ : stream_; }
  /// Null: with the device's work.
  void launch_into(cudaStream_t stream) { launched_into_ = stream; }
  /// The stream of the device's work.
  cudaStream_t own_stream() const { return stream_; }
  /// The runtime remembers a device for each thread of the host: this one is meant from here on.
  void make_current() const;
  /// Made at the first product.
  std::unique_ptr<Library, LibraryDeleter> library;

  size_t free_bytes() override;
  size_t total_bytes() override;
  int processors() const override { return processors_; }
  size_t shared_bytes() const override { return shared_bytes_; }
  std::byte* allocate(size_t bytes) override;
  void release(std::byte* memory) noexcept override;
  std::byte* allocate_pinned(size_t bytes) override;
  void release_pinned(std::byte* memory) noexcept override;
  void set_zero(void* to, size_t bytes) override;
  void synchronize() override;
  std::unique_ptr<DeviceQueue> open_queue() override;

 protected:
  void copy_async(void* to, const void* from, size_t bytes) override;
  void record(int mark) override;
  void wait(int mark) override;

 private:
  cudaStream_t stream_ = nullptr, launched_into_ = nullptr;
  cudaEvent_t marks_[kMarks] = {};
  int index_ = 0, processors_ = 0;
  size_t shared_bytes_ = 0;
};

}  // namespace falconer::cuda
