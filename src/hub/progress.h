// How far a download is, for people: bars on a terminal, plain lines elsewhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace falconer::hub {

/// What is known of one file. Written by the thread that fetches it.
struct FileProgress {
  enum class State { kWaiting, kRunning, kDone };
  std::string name;
  uint64_t size = 0;
  std::atomic<uint64_t> done{0};      // bytes that are there
  std::atomic<uint64_t> received{0};  // bytes that came over the network
  std::atomic<State> state{State::kWaiting};
};

class Progress {
 public:
  enum class Style {
    kBars,   // redrawn in place
    kLines,  // a line now and then
    kNone    // only what happened
  };
  /// Bars where stderr is a terminal that can move its cursor; `wanted` false: nothing but notes.
  static Style style_for_stderr(bool wanted);

  Progress(std::deque<FileProgress>& files, Style style);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// A line for people, above the bars. From any thread.
  void note(const std::string& text);
  /// Shows what has changed since; to be called a few times a second.
  void tick(double now);

 private:
  struct Moment {
    double seconds;
    uint64_t received;
  };
  void measure(double now);
  std::vector<std::string> bars(size_t width) const;
  void draw(const std::vector<std::string>& lines);

  std::deque<FileProgress>& files_;
  Style style_;
  std::mutex guard_;
  std::deque<Moment> moments_;  // of the last seconds, for the speed
  double next_line_ = 0;
  size_t drawn_ = 0;  // lines of bars that stand on the terminal
  uint64_t done_ = 0, total_ = 0, received_ = 0;
  double speed_ = 0;
};

/// "9.87 GB", in powers of ten as the hub counts.
std::string bytes_text(uint64_t bytes);
/// "1:02:03" or "2:03"
std::string time_text(double seconds);

/// A line of at most `width` columns: name, bar, share, bytes, and `end`.
std::string bar_line(const std::string& name, uint64_t done, uint64_t total, const std::string& end,
                     size_t width);

}  // namespace falconer::hub
