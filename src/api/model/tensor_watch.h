// What goes through all tensors of a model, or through rows.
#pragma once

#include <chrono>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/log.h"

namespace falconer {

/// A line every few seconds, and an end where the user asks for one.
class TensorWatch {
 public:
  TensorWatch(const char* done, size_t count, const char* of = "tensors")
      : done_(done), of_(of), count_(count) {}

  void look(size_t at) {
    if (interrupted()) throw Error("stopped; nothing was left behind", interrupt_exit_code());
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(5)) return;
    last_ = now;
    log_info("{} {} of {} {}", done_, at, count_, of_);
  }

 private:
  const char *done_, *of_;
  size_t count_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace falconer
