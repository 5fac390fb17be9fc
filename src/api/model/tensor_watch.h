// What goes through all tensors of a model.
#pragma once

#include <chrono>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/log.h"

namespace falconer {

/// A line every few seconds, and an end where the user asks for one.
class TensorWatch {
 public:
  TensorWatch(const char* done, size_t tensors) : done_(done), tensors_(tensors) {}

  void look(size_t tensor) {
    if (interrupted()) throw Error("stopped; nothing was left behind", interrupt_exit_code());
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(5)) return;
    last_ = now;
    log_info("{} {} of {} tensors", done_, tensor, tensors_);
  }

 private:
  const char* done_;
  size_t tensors_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace falconer
