#include "train/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/system.h"
#include "base/terminal.h"
#include "train/tensorboard.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

constexpr const char* kCsvHeader =
    "step,loss,lr,grad_norm,tokens,tokens_per_second,seconds,peak_rss_bytes,eval_loss\n";

// The step of a row; nothing where a crash cut it short or it says something else.
std::optional<int64_t> step_of(const std::string& line, bool csv) {
  if (csv) {
    if (std::count(line.begin(), line.end(), ',') != 8) return {};
    return whole_of_text(std::string_view(line).substr(0, line.find(',')));
  }
  const auto row = parse_json(line);
  if (!row.is_object()) return {};
  try {
    return JsonFields(row, "metrics.jsonl").whole("step");
  } catch (const Error&) {
    return {};
  }
}

// The lines of `path` whose step is at most `last`.
std::string kept_lines(const fs::path& path, int64_t last, bool csv) {
  if (!fs::exists(path)) return csv ? kCsvHeader : "";
  std::istringstream lines(read_text_file(path));
  std::string kept, line;
  for (bool first = csv; std::getline(lines, line); first = false) {
    const auto step = step_of(line, csv);
    if (first || (step && *step >= 0 && *step <= last)) kept += line + "\n";
  }
  return kept;
}

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Closer>;

/// A file that lines are appended to.
struct LineFile {
  fs::path path;
  File file;

  LineFile(const fs::path& to, const std::string& content) : path(to) {
    write_file(path, content);
    file.reset(std::fopen(path.c_str(), "ae"));
    if (!file) failed("written");
  }
  void put(const std::string& line) {
    if (std::fwrite(line.data(), 1, line.size(), file.get()) != line.size() ||
        std::fflush(file.get()) != 0)
      failed("written");
  }
  void sync() {
    if (::fsync(::fileno(file.get())) != 0) failed("synced to disk");
  }
  [[noreturn]] void failed(const char* what) const {
    fail("{}: cannot be {}: {}", path.string(), what, std::strerror(errno));
  }
};

// JSON has no NaN: a value that is none becomes null.
nlohmann::ordered_json number(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

}  // namespace

struct MetricsLog::Files {
  LineFile jsonl, csv;
  std::optional<EventFile> events;
};

MetricsLog::MetricsLog(const fs::path& folder, int64_t after_step, bool tensorboard) {
  const fs::path jsonl = folder / "metrics.jsonl", csv = folder / "metrics.csv";
  files_.reset(new Files{.jsonl = {jsonl, kept_lines(jsonl, after_step, false)},
                         .csv = {csv, kept_lines(csv, after_step, true)},
                         .events = {}});
  if (tensorboard) files_->events.emplace(folder, after_step);
}

MetricsLog::~MetricsLog() = default;

void MetricsLog::write(const StepMetrics& row) {
  nlohmann::ordered_json json;
  json["step"] = row.step;
  json["loss"] = number(row.loss);
  json["lr"] = row.lr;
  json["grad_norm"] = number(row.grad_norm);
  json["tokens"] = row.tokens;
  json["tokens_per_second"] = row.tokens_per_second;
  json["seconds"] = row.seconds;
  json["peak_rss_bytes"] = row.peak_rss_bytes;
  files_->jsonl.put(json_text(json) + "\n");
  files_->csv.put(fmt::format("{},{},{},{},{},{:.2f},{:.4f},{},\n", row.step, row.loss, row.lr,
                              row.grad_norm, row.tokens, row.tokens_per_second, row.seconds,
                              row.peak_rss_bytes));
  if (!files_->events) return;
  // The names that transformers' Trainer gives them, where it has them.
  files_->events->write(row.step,
                        {{"train/loss", row.loss},
                         {"train/learning_rate", row.lr},
                         {"train/grad_norm", row.grad_norm},
                         {"train/tokens_per_second", row.tokens_per_second},
                         {"train/peak_memory_gb", static_cast<double>(row.peak_rss_bytes) / 1e9}});
}

void MetricsLog::write(const EvalMetrics& row) {
  nlohmann::ordered_json json;
  json["step"] = row.step;
  json["eval_loss"] = number(row.loss);
  json["eval_tokens"] = row.tokens;
  json["eval_seconds"] = row.seconds;
  files_->jsonl.put(json_text(json) + "\n");
  files_->csv.put(fmt::format("{},,,,,,,,{}\n", row.step, row.loss));
  if (files_->events) files_->events->write(row.step, {{"eval/loss", row.loss}});
}

void MetricsLog::sync() {
  files_->jsonl.sync();
  files_->csv.sync();
  if (files_->events) files_->events->sync();
}

namespace {

// Half of what the bar says comes from so many steps.
constexpr double kHalfLife = 8;

bool can_redraw() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_PROGRESS") == nullptr && term != nullptr &&
         *term != '\0' && std::string_view(term) != "dumb";
}

}  // namespace

std::string bar_line(const BarFacts& f, size_t columns) {
  // In the order of the line; the last to come are the first to go.
  struct Part {
    std::string text;
    int rank;
  };
  const Part parts[] = {{fmt::format("step {}/{}", f.step, f.total), 0},
                        {fmt::format("loss {:.4f}", f.loss), 1},
                        {duration_text(f.seconds_left) + " left", 2},
                        {fmt::format("{:.0f} tokens/s", f.tokens_per_second), 3},
                        {fmt::format("lr {:.1e}", f.lr), 4}};
  std::string facts;
  for (int rank = std::ssize(parts) - 1; rank >= 0; --rank) {
    facts.clear();
    for (const Part& part : parts)
      if (part.rank <= rank) facts += (facts.empty() ? "" : "  ") + part.text;
    if (facts.size() < columns) break;
  }
  const size_t room = columns - std::min(columns, facts.size());
  if (room < 12) return facts.substr(0, columns - std::min<size_t>(columns, 1));
  const size_t width = std::min<size_t>(24, room - 4);
  const auto filled = static_cast<size_t>(static_cast<double>(width) * static_cast<double>(f.step) /
                                          static_cast<double>(std::max<int64_t>(1, f.total)));
  return fmt::format("[{:<{}}] {}", std::string(std::min(width, filled), '='), width, facts);
}

Progress::Progress(int64_t total_steps, int64_t first_step)
    : terminal_(can_redraw() && log_level() <= LogLevel::kInfo),
      total_(total_steps),
      first_(first_step),
      start_(now_seconds()) {}

void Progress::show(const StepMetrics& row) {
  if (log_level() > LogLevel::kInfo) return;
  const double now = now_seconds();
  const int64_t done = row.step - first_ + 1;
  const double left =
      (now - start_) / static_cast<double>(done) * static_cast<double>(total_ - row.step);
  if (!terminal_) {
    // Every step of a short run, else about one line in two seconds.
    if (total_ - first_ < 50 || row.step == total_ || now - last_line_ >= 2) {
      log_info("step {}/{}  loss {:.4f}  lr {:.2e}  {:.1f} tokens/s  {} left", row.step, total_,
               row.loss, row.lr, row.tokens_per_second, duration_text(left));
      last_line_ = now;
    }
    return;
  }
  const double fade = std::exp2(-1 / kHalfLife);
  if (std::isfinite(row.loss)) {
    loss_ = loss_ * fade + row.loss;
    weight_ = weight_ * fade + 1;
  }
  tokens_ = tokens_ * fade + static_cast<double>(row.tokens);
  seconds_ = seconds_ * fade + row.seconds;
  const BarFacts facts{.step = row.step,
                       .total = total_,
                       .loss = loss_ / std::max(weight_, 1e-9),
                       .lr = row.lr,
                       .tokens_per_second = tokens_ / std::max(seconds_, 1e-9),
                       .seconds_left = left};
  std::fprintf(stderr, "\r\x1b[2K%s", bar_line(facts, terminal().columns).c_str());
  if (row.step == total_) std::fputc('\n', stderr);
  std::fflush(stderr);
  drawn_ = row.step != total_;
}

void Progress::pause() {
  if (drawn_) std::fputs("\r\x1b[2K", stderr);
  drawn_ = false;
}

}  // namespace falconer
