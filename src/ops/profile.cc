#include "ops/profile.h"

#include "base/log.h"
#include "ops/literal.h"
#include "tensor/device.h"

namespace falconer {
namespace {

// Of the thread that computes: kernels are plain functions.
thread_local Profile* profile_here = nullptr;

/// A kernel of the profile's table: the one that it stands for, and its time.
template <Literal kName, auto kMember>
struct TimedKernel;

template <Literal kName, class Result, class... Args, Result (*Kernels::*kMember)(Args...)>
struct TimedKernel<kName, kMember> {
  static Result call(Args... args) {
    Profile& profile = *profile_here;
    const int64_t begin = profile.now_ns();
    if constexpr (std::is_void_v<Result>) {
      (profile.real_kernels().*kMember)(args...);
      profile.op_done(kName.text, begin);
    } else {
      const Result result = (profile.real_kernels().*kMember)(args...);
      profile.op_done(kName.text, begin);
      return result;
    }
  }
};

#define FALCONER_TIME(op) made.op = TimedKernel<#op, &Kernels::op>::call

void time_forward(Kernels& made) {
  FALCONER_TIME(convert);
  FALCONER_TIME(set_zero);
  FALCONER_TIME(linear_forward);
  FALCONER_TIME(embedding_forward);
  FALCONER_TIME(gather_forward);
  FALCONER_TIME(norm_forward);
  FALCONER_TIME(rms_norm_forward);
  FALCONER_TIME(rope);
  FALCONER_TIME(attention_forward);
  FALCONER_TIME(cache_store);
  FALCONER_TIME(prefix_attention_forward);
  FALCONER_TIME(conv1d_forward);
  FALCONER_TIME(scan_forward);
  FALCONER_TIME(gelu_forward);
  FALCONER_TIME(gated_forward);
  FALCONER_TIME(soft_cap_forward);
  FALCONER_TIME(scale);
  FALCONER_TIME(residual);
  FALCONER_TIME(affine_forward);
  FALCONER_TIME(dropout);
  FALCONER_TIME(cross_entropy);
  FALCONER_TIME(row_squares);
  FALCONER_TIME(dora_norms);
  FALCONER_TIME(divide);
  FALCONER_TIME(fill_normal);
}

void time_backward(Kernels& made) {
  FALCONER_TIME(linear_backward_x);
  FALCONER_TIME(linear_backward_w);
  FALCONER_TIME(linear_backward_b);
  FALCONER_TIME(embedding_backward);
  FALCONER_TIME(gather_backward);
  FALCONER_TIME(norm_backward_x);
  FALCONER_TIME(norm_backward_w);
  FALCONER_TIME(rms_norm_backward_x);
  FALCONER_TIME(rms_norm_backward_w);
  FALCONER_TIME(attention_delta);
  FALCONER_TIME(attention_backward);
  FALCONER_TIME(prefix_attention_backward);
  FALCONER_TIME(conv1d_backward);
  FALCONER_TIME(scan_backward);
  FALCONER_TIME(gelu_backward);
  FALCONER_TIME(gated_backward);
  FALCONER_TIME(soft_cap_backward);
  FALCONER_TIME(affine_backward);
  FALCONER_TIME(adamw);
  FALCONER_TIME(sgd);
  FALCONER_TIME(sum_of_squares);
}

#undef FALCONER_TIME

}  // namespace

Profile::Profile(const Kernels& kernels, Device* device, size_t most_events)
    : kernels_(kernels), device_(device), most_events_(most_events), timed_{} {
  FALCONER_CHECK(profile_here == nullptr);
  timed_.name = kernels.name;
  timed_.lane_bytes = kernels.lane_bytes;  // these compute nothing
  timed_.pack_lanes = kernels.pack_lanes;
  timed_.whole_bytes = kernels.whole_bytes;
  timed_.turned_bytes = kernels.turned_bytes;
  time_forward(timed_);
  time_backward(timed_);
  profile_here = this;
}

Profile::~Profile() { profile_here = nullptr; }

int64_t Profile::new_event(const PassPart& part, int64_t begin_ns, bool op) {
  if (events_.size() >= most_events_) {
    if (left_out_++ == 0)
      log_warning(
          "the profile has {} events: the trace ends here, and the times by op and by layer go on",
          most_events_);
    return -1;
  }
  events_.push_back({.part = part, .begin_ns = begin_ns, .op = op});
  return static_cast<int64_t>(events_.size()) - 1;
}

void Profile::op_done(const char* name, int64_t begin_ns) {
  if (device_ != nullptr) device_->synchronize();
  const int64_t end = now_ns();
  auto sum = ops_.find(name);
  if (sum == ops_.end()) sum = ops_.emplace(name, Sum{}).first;
  ++sum->second.calls;
  sum->second.ns += end - begin_ns;
  if (const int64_t event = new_event({.name = name}, begin_ns, true); event >= 0)
    events_[static_cast<size_t>(event)].end_ns = end;
}

void Profile::begins(const Run& run, const PassPart& part) {
  if (run.dry) return;
  const int64_t begin = now_ns();
  open_.push_back({.part = part, .begin_ns = begin, .event = new_event(part, begin, false)});
}

void Profile::ends(const Run& run) {
  if (run.dry) return;
  FALCONER_CHECK(!open_.empty());
  const Open done = open_.back();
  open_.pop_back();
  const int64_t end = now_ns(), ns = end - done.begin_ns;
  if (done.event >= 0) events_[static_cast<size_t>(done.event)].end_ns = end;
  Sum& sum = parts_[{done.part.name, done.part.layer, done.part.backward}];
  ++sum.calls;
  sum.ns += ns - done.inner_ns;
  if (!open_.empty()) open_.back().inner_ns += ns;
}

}  // namespace falconer
