#include "base/error.h"
#include "ops/cuda/device/cuda_device.h"
#include "ops/cuda/driver_state.h"
#include "ops/cuda/launchers.h"

namespace falconer::cuda {
namespace {

constexpr int kOldest = 80;  // compute capability, times ten: bf16 on tensor cores

}  // namespace

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  fail_on_device(std::string("CUDA: ") + what, cudaGetErrorString(status));
}

cudaStream_t stream_of(const Device& device) {
  const CudaDevice& mine = static_cast<const CudaDevice&>(device);
  mine.make_current();
  return mine.stream();
}

int device_count(std::string* why) {
  DriverState state;
  cudaDriverGetVersion(&state.driver);
  cudaRuntimeGetVersion(&state.runtime);
  const cudaError_t status = cudaGetDeviceCount(&state.devices);
  if (status != cudaSuccess) state.devices = 0;
  state.too_old = status == cudaErrorInsufficientDriver;
  if (status != cudaSuccess && status != cudaErrorNoDevice && !state.too_old)
    state.other = cudaGetErrorString(status);
  static_cast<void>(cudaGetLastError());  // or the next check would find it
  if (why != nullptr) *why = why_no_device(state);
  return state.devices;
}

std::unique_ptr<Device> open_cuda(int index) {
  std::string why;
  const int count = device_count(&why);
  if (count == 0) fail_on_device("--device cuda", why);
  if (index < 0 || index >= count)
    fail_on_device("--device cuda:" + std::to_string(index),
                   "there are " + std::to_string(count) + " devices, numbered from 0");
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, index), "a device's properties");
  const int capability = 10 * properties.major + properties.minor;
  if (capability < kOldest)
    fail_on_device(properties.name, "is of compute capability " + std::to_string(properties.major) +
                                        "." + std::to_string(properties.minor) +
                                        ", and 8.0 or later is needed; use --device cpu");
  check(cudaSetDevice(index), "choosing a device");
  return std::make_unique<CudaDevice>(index, properties);
}

const Kernels& cuda_kernels() { return kernels(); }

CudaDevice::CudaDevice(int index, const cudaDeviceProp& properties)
    : Device("cuda:" + std::to_string(index) + ", " + properties.name),
      index_(index),
      processors_(properties.multiProcessorCount),
      shared_bytes_(properties.sharedMemPerBlockOptin) {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
  for (cudaEvent_t& mark : marks_)
    check(cudaEventCreateWithFlags(&mark, cudaEventDisableTiming), "an event");
}

CudaDevice::~CudaDevice() {
  cudaSetDevice(index_);
  cudaStreamSynchronize(stream_);
  library.reset();
  release_services();
  for (cudaEvent_t mark : marks_) cudaEventDestroy(mark);
  cudaStreamDestroy(stream_);
}

void CudaDevice::make_current() const { check(cudaSetDevice(index_), "choosing a device"); }

size_t CudaDevice::free_bytes() {
  make_current();
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "free memory");
  return free;
}

size_t CudaDevice::total_bytes() {
  make_current();
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "memory");
  return total;
}

std::byte* CudaDevice::allocate(size_t bytes) {
  make_current();
  void* memory = nullptr;
  if (cudaMalloc(&memory, bytes) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    fail_on_device(name(), std::to_string(bytes >> 20) + " MiB of its memory cannot be had, " +
                               std::to_string(free_bytes() >> 20) +
                               " MiB are free; take a smaller --micro-batch-size, or end other "
                               "programs on it");
  }
  set_zero(memory, bytes);
  return static_cast<std::byte*>(memory);
}

// Work that was queued may still read it.
void CudaDevice::release(std::byte* memory) noexcept {
  cudaStreamSynchronize(stream_);
  cudaFree(memory);
}

void CudaDevice::set_zero(void* to, size_t bytes) {
  check(cudaMemsetAsync(to, 0, bytes, stream_), "clearing memory");
}

void CudaDevice::synchronize() { check(cudaStreamSynchronize(stream_), "the work on the device"); }

std::byte* CudaDevice::allocate_pinned(size_t bytes) {
  make_current();
  void* memory = nullptr;
  if (cudaHostAlloc(&memory, bytes, cudaHostAllocDefault) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    fail_on_device(name(), std::to_string(bytes >> 20) +
                               " MiB of the host's memory cannot be pinned; give the program more, "
                               "or --offload-optimizer off");
  }
  return static_cast<std::byte*>(memory);
}

void CudaDevice::release_pinned(std::byte* memory) noexcept {
  cudaStreamSynchronize(stream_);
  cudaFreeHost(memory);
}

// The driver tells pinned memory from the device's by the address.
void CudaDevice::copy_async(void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_), "a copy");
}

void CudaDevice::record(int mark) { check(cudaEventRecord(marks_[mark], stream_), "an event"); }

// An event that was never recorded is one that has happened.
void CudaDevice::wait(int mark) {
  check(cudaEventSynchronize(marks_[mark]), "the work on the device");
}

}  // namespace falconer::cuda
