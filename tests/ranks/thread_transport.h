// Ranks that are threads of the test: what each gives the others lies where all can read it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "ranks/ranks.h"

namespace falconer {

/// What all ranks of one job have in common.
class ThreadJob {
 public:
  explicit ThreadJob(int ranks) : parts_(static_cast<size_t>(ranks)), there_(parts_.size()) {}
  int size() const { return static_cast<int>(parts_.size()); }

  using Parts = std::vector<std::span<const std::byte>>;

  /// Returns when all ranks have come, with what each brought; it stays there until all have left().
  const std::vector<Parts>& meet(int rank, Parts parts, double timeout) {
    std::unique_lock<std::mutex> lock(guard_);
    parts_[static_cast<size_t>(rank)] = std::move(parts);
    wait(lock, rank, timeout);
    return parts_;
  }
  void left(int rank, double timeout) {
    std::unique_lock<std::mutex> lock(guard_);
    wait(lock, rank, timeout);
  }

 private:
  void wait(std::unique_lock<std::mutex>& lock, int rank, double timeout) {
    there_[static_cast<size_t>(rank)] = true;
    if (++count_ == size()) {
      count_ = 0;
      there_.assign(there_.size(), false);
      ++round_;
      all_.notify_all();
      return;
    }
    const int64_t round = round_;
    if (all_.wait_for(lock, std::chrono::duration<double>(timeout),
                      [&] { return round_ != round; }))
      return;
    std::string silent;
    for (size_t r = 0; r < there_.size(); ++r)
      if (!there_[r]) silent += " " + std::to_string(r);
    throw Error("nothing came from rank" + silent);
  }

  std::mutex guard_;
  std::condition_variable all_;
  std::vector<Parts> parts_;
  std::vector<bool> there_;
  int count_ = 0;
  int64_t round_ = 0;
};

class ThreadTransport : public Transport {
 public:
  ThreadTransport(std::shared_ptr<ThreadJob> job, int rank) : job_(std::move(job)) {
    place_ = {.rank = rank, .size = job_->size(), .local_rank = rank, .local_size = job_->size()};
    place_.host = "here";
  }

  const RankPlace& place() const override { return place_; }
  void set_timeout(double seconds) override { timeout_ = seconds; }

  void gather(std::byte* whole, std::span<const size_t> bounds) override {
    const auto self = static_cast<size_t>(place_.rank);
    const auto& all =
        meet({std::span<const std::byte>(whole + bounds[self], bounds[self + 1] - bounds[self])});
    for (size_t r = 0; r < all.size(); ++r)
      if (r != self) copy(all[r][0], whole + bounds[r]);
    job_->left(place_.rank, timeout_);
  }
  void exchange(std::span<const std::span<const std::byte>> parts, std::byte* received) override {
    const auto self = static_cast<size_t>(place_.rank);
    const size_t own = parts[self].size();
    const auto& all = meet({parts.begin(), parts.end()});
    for (size_t r = 0; r < all.size(); ++r)
      if (r != self) copy(all[r][self], received + r * own);
    job_->left(place_.rank, timeout_);
  }
  void broadcast(std::byte* data, size_t bytes, int root) override {
    const auto& all = meet({std::span<const std::byte>(data, bytes)});
    if (place_.rank != root) copy(all[static_cast<size_t>(root)][0], data);
    job_->left(place_.rank, timeout_);
  }
  void barrier() override { job_->left(place_.rank, timeout_); }

  /// To be caught by the test.
  struct Aborted {
    int code;
  };
  [[noreturn]] void abort(int code) override { throw Aborted{code}; }

 private:
  const std::vector<ThreadJob::Parts>& meet(ThreadJob::Parts parts) {
    return job_->meet(place_.rank, std::move(parts), timeout_);
  }
  static void copy(std::span<const std::byte> from, std::byte* to) {
    if (!from.empty()) std::memcpy(to, from.data(), from.size());
  }

  std::shared_ptr<ThreadJob> job_;
  RankPlace place_;
  double timeout_ = 60;
};

/// Runs `work` on so many ranks, each with a thread of its own, and ends when all have.
inline void on_ranks(int count, const std::function<void(Ranks&)>& work, double timeout = 60) {
  auto job = std::make_shared<ThreadJob>(count);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < count; ++rank)
    threads.emplace_back([&, rank] {
      auto transport = std::make_unique<ThreadTransport>(job, rank);
      transport->set_timeout(timeout);
      Ranks ranks(std::move(transport));
      work(ranks);
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace falconer
