// Where the time of passes goes: by op, by part of the model, and as a list of events.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "ops/kernels.h"
#include "ops/pass_observer.h"

namespace falconer {

/// Its kernels() and itself as observer are given to a Run. One for each thread at a time, and that thread
/// computes. On a device every op is waited for: what is measured is its own time, and a pass takes longer.
class Profile : public PassObserver {
 public:
  /// Of parts and ops, in the order in which they began; those of a part lie within it.
  struct Event {
    PassPart part;  // of an op the name alone
    int64_t begin_ns = 0, end_ns = 0;
    bool op = false;
  };
  struct Sum {
    int64_t calls = 0, ns = 0;
  };
  using PartKey = std::tuple<std::string, int64_t, bool>;  // name, layer, backward
  /// 24 MB of them. More are counted in the sums alone.
  static constexpr size_t kMostEvents = 500'000;

  /// `kernels` do the work and must outlive the profile.
  Profile(const Kernels& kernels, Device* device, size_t most_events = kMostEvents);
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;
  ~Profile() override;

  const Kernels& kernels() const { return timed_; }
  void begins(const Run& run, const PassPart& part) override;
  void ends(const Run& run) override;

  const std::vector<Event>& events() const { return events_; }
  int64_t events_left_out() const { return left_out_; }
  using OpSums = std::map<std::string, Sum, std::less<>>;
  const OpSums& ops() const { return ops_; }
  /// Of each part the time that no part within it took.
  const std::map<PartKey, Sum>& parts() const { return parts_; }

  // For its kernels.
  const Kernels& real_kernels() const { return kernels_; }
  int64_t now_ns() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() -
                                                                start_)
        .count();
  }
  void op_done(const char* name, int64_t begin_ns);

 private:
  struct Open {
    PassPart part;
    int64_t begin_ns, inner_ns = 0;
    int64_t event;  // its index; -1: left out
  };

  /// The index of a new event; -1 where there are enough.
  int64_t new_event(const PassPart& part, int64_t begin_ns, bool op);

  const Kernels& kernels_;
  Device* device_;
  size_t most_events_;
  Kernels timed_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::vector<Event> events_;
  std::vector<Open> open_;
  OpSums ops_;
  std::map<PartKey, Sum> parts_;
  int64_t left_out_ = 0;
};

}  // namespace falconer
