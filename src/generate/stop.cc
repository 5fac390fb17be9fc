#include "generate/stop.h"

#include <algorithm>

namespace falconer {

std::string StopMatcher::push(std::string_view text) {
  if (stopped_) return {};
  held_ += text;
  size_t at = std::string::npos;
  for (const std::string& stop : stops_)
    if (!stop.empty()) at = std::min(at, held_.find(stop));
  if (at != std::string::npos) {
    stopped_ = true;
    std::string before = held_.substr(0, at);
    held_.clear();
    return before;
  }
  // The longest end of what is held that begins a stop string must wait.
  size_t wait = 0;
  for (const std::string& stop : stops_)
    for (size_t n = std::min(stop.size(), held_.size()); n > wait; --n)
      if (held_.ends_with(std::string_view(stop).substr(0, n))) wait = n;
  std::string certain = held_.substr(0, held_.size() - wait);
  held_.erase(0, held_.size() - wait);
  return certain;
}

std::string StopMatcher::finish() {
  std::string rest;
  if (!stopped_) rest.swap(held_);
  return rest;
}

}  // namespace falconer
