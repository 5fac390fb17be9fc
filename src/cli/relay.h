// What a child process writes, handed on by this one.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace falconer::cli {

/// A pipe for a child to write into, and a thread that hands on what comes, in pieces that end between characters.
class Relay {
 public:
  /// What `take` throws ends its use: what comes then is read, and forgotten. Error: no pipe can be made.
  explicit Relay(std::function<void(std::string_view)> take);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();

  /// Where the child writes; closed here by begin(), which belongs behind the fork.
  int child_end() const { return child_end_; }
  void begin();
  /// Whether `take` has thrown.
  bool failed() const { return failed_; }
  /// When the child is gone: waits until all is handed on. Error: what `take` threw.
  void finish();

 private:
  void run();
  bool read_some(std::string& text) const;

  std::function<void(std::string_view)> take_;
  int child_end_ = -1, own_end_ = -1;
  std::atomic<bool> failed_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace falconer::cli
