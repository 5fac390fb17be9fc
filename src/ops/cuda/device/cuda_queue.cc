// A second stream, whose kernels go first where both have some.
#include <array>

#include "ops/cuda/device/cuda_device.h"
#include "ops/cuda/rank_sum.h"
#include "tensor/device_queue.h"

namespace falconer::cuda {
namespace {

class CudaQueue : public DeviceQueue {
 public:
  explicit CudaQueue(CudaDevice& device) : device_(device) {
    device_.make_current();
    int least = 0, greatest = 0;
    check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "priorities of streams");
    check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest), "a stream");
    check(cudaEventCreateWithFlags(&behind_device_, cudaEventDisableTiming), "an event");
    for (cudaEvent_t& mark : marks_)
      check(cudaEventCreateWithFlags(&mark, cudaEventDisableTiming), "an event");
  }
  CudaQueue(const CudaQueue&) = delete;
  CudaQueue& operator=(const CudaQueue&) = delete;
  ~CudaQueue() override {
    cudaStreamSynchronize(stream_);
    for (cudaEvent_t mark : marks_) cudaEventDestroy(mark);
    cudaEventDestroy(behind_device_);
    cudaStreamDestroy(stream_);
  }

  void make_current() override { device_.make_current(); }
  void* stream() override { return stream_; }

  void follow_device() override {
    device_.make_current();
    check(cudaEventRecord(behind_device_, device_.own_stream()), "an event");
    check(cudaStreamWaitEvent(stream_, behind_device_, 0), "waiting for the device's work");
  }

  void add_sum(const RankSum& sum) override {
    const Launching here(device_, stream_);
    add_rank_sum(&device_, sum);
  }

  uint64_t mark() override {
    device_.make_current();
    check(cudaEventRecord(event_of(last_ + 1), stream_), "an event");
    return ++last_;
  }

  // An event that has been recorded again since stands for later work, which lies behind the mark.
  void device_follows(uint64_t mark) override {
    device_.make_current();
    check(cudaStreamWaitEvent(device_.own_stream(), event_of(mark), 0), "waiting for other ranks");
  }

  bool reached(uint64_t mark) override {
    device_.make_current();
    const cudaError_t status = cudaEventQuery(event_of(mark));
    if (status == cudaErrorNotReady) return false;
    check(status, "what ranks send");
    return true;
  }

 private:
  class Launching {
   public:
    Launching(CudaDevice& device, cudaStream_t stream) : device_(device) {
      device_.launch_into(stream);
    }
    Launching(const Launching&) = delete;
    Launching& operator=(const Launching&) = delete;
    ~Launching() { device_.launch_into(nullptr); }

   private:
    CudaDevice& device_;
  };

  cudaEvent_t event_of(uint64_t mark) const { return marks_[mark % marks_.size()]; }

  CudaDevice& device_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t behind_device_ = nullptr;
  std::array<cudaEvent_t, 64> marks_ = {};
  uint64_t last_ = 0;
};

}  // namespace

std::unique_ptr<DeviceQueue> CudaDevice::open_queue() { return std::make_unique<CudaQueue>(*this); }

}  // namespace falconer::cuda
