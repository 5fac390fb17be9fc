// Stop strings in streamed text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// Holds text back as long as it may be the beginning of a stop string; never gives out any part of
/// one.
class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// Adds text; returns what is certain to stay. After stopped() nothing more comes.
  std::string push(std::string_view text);
  /// What was held back, at the end of a text that no stop string ended.
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace falconer
