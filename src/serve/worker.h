// A thread for work that would keep the loop from its clients.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace falconer::serve {

/// Does one thing after another, in their order. What is done throws nothing.
class Worker {
 public:
  Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Waits for what is under way; what has not begun is dropped.
  ~Worker();

  void add(std::function<void()> work);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;  // guarded by the mutex, as is the next
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace falconer::serve
