#include "hub/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "base/terminal.h"

namespace falconer::hub {
namespace {

constexpr double kWindowSeconds = 8, kLineSeconds = 10;

std::string speed_text(double speed, uint64_t left) {
  if (speed < 1) return "waiting";
  return fmt::format("{}/s, {} left", bytes_text(static_cast<uint64_t>(speed)),
                     time_text(static_cast<double>(left) / speed));
}

}  // namespace

std::string bytes_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  for (; value >= 999.95 && unit < 4; ++unit) value /= 1000;
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : value < 100 ? 1 : 0, kUnits[unit]);
}

std::string time_text(double seconds) {
  return duration_text(std::ceil(std::min(seconds, 360000.0 * 99)));
}

std::string bar_line(const std::string& name, uint64_t done, uint64_t total, const std::string& end,
                     size_t width) {
  const double share =
      total > 0 ? static_cast<double>(std::min(done, total)) / static_cast<double>(total) : 1;
  std::string tail = fmt::format(" {:3.0f} % {:>7} of {:<7} {}", std::floor(share * 100),
                                 bytes_text(done), bytes_text(total), end);
  const size_t columns = width > 1 ? width - 1 : 0;  // the last one would wrap on some terminals
  const size_t name_width = std::clamp<size_t>(columns / 3, 8, 36);
  std::string head = printable(name);
  if (head.size() > name_width) head = "..." + head.substr(head.size() - (name_width - 3));
  head = fmt::format("{:<{}}", head, name_width);
  std::string bar;
  if (columns > head.size() + tail.size() + 8) {
    const size_t room = std::min<size_t>(columns - head.size() - tail.size() - 3, 40);
    const auto filled = static_cast<size_t>(share * static_cast<double>(room));
    bar = fmt::format(" [{}{}]", std::string(filled, '='), std::string(room - filled, ' '));
  }
  return (head + bar + tail).substr(0, columns);
}

Progress::Style Progress::style_for_stderr(bool wanted) {
  if (!wanted || log_level() > LogLevel::kInfo) return Style::kNone;
  const char* term = std::getenv("TERM");
  const bool moves = term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
  return ::isatty(STDERR_FILENO) != 0 && moves ? Style::kBars : Style::kLines;
}

Progress::Progress(std::deque<FileProgress>& files, Style style) : files_(files), style_(style) {
  for (const FileProgress& file : files_) total_ += file.size;
}

Progress::~Progress() {
  const std::lock_guard<std::mutex> lock(guard_);
  draw({});
}

void Progress::note(const std::string& text) {
  const std::lock_guard<std::mutex> lock(guard_);
  draw({});
  log_info("{}", text);
}

// The speed is that of the last seconds; a file that was there before took none.
void Progress::measure(double now) {
  done_ = received_ = 0;
  for (const FileProgress& file : files_) {
    done_ += file.done;
    received_ += file.received;
  }
  moments_.push_back({now, received_});
  while (moments_.size() > 2 && moments_[1].seconds < now - kWindowSeconds) moments_.pop_front();
  const double seconds = now - moments_.front().seconds;
  speed_ = seconds > 0.3 ? static_cast<double>(received_ - moments_.front().received) / seconds : 0;
}

std::vector<std::string> Progress::bars(size_t width) const {
  std::vector<std::string> lines;
  for (const FileProgress& file : files_)
    if (file.state == FileProgress::State::kRunning)
      lines.push_back(bar_line(file.name, file.done, file.size, "", width));
  const uint64_t left = total_ - std::min(done_, total_);
  if (lines.size() != 1 || files_.size() > 1)
    lines.push_back(bar_line("all", done_, total_, speed_text(speed_, left), width));
  else
    lines.back() = bar_line(files_.front().name, done_, total_, speed_text(speed_, left), width);
  return lines;
}

void Progress::draw(const std::vector<std::string>& lines) {
  if (style_ != Style::kBars || (lines.empty() && drawn_ == 0)) return;
  std::string text;
  if (drawn_ > 0) text += fmt::format("\x1b[{}A\r\x1b[J", drawn_);
  for (const std::string& line : lines) text += line + "\n";
  drawn_ = lines.size();
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void Progress::tick(double now) {
  const std::lock_guard<std::mutex> lock(guard_);
  if (style_ == Style::kNone) return;
  measure(now);
  if (style_ == Style::kBars) {
    const Terminal screen = terminal();
    std::vector<std::string> lines = bars(screen.columns);
    const size_t most = std::max<size_t>(screen.rows, 2) - 1;  // what is above cannot be redrawn
    if (lines.size() > most)
      lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(most));
    return draw(lines);
  }
  if (next_line_ == 0) next_line_ = now + kLineSeconds;
  if (now < next_line_) return;
  next_line_ = now + kLineSeconds;
  const uint64_t left = total_ - std::min(done_, total_);
  log_info("{} of {}, {}", bytes_text(done_), bytes_text(total_), speed_text(speed_, left));
}

}  // namespace falconer::hub
