#include "train/run_status.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "base/system.h"
#include "train/run_lock.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

// When a process began, in ticks since the system did: a number of a process that ended may be given
// to another one, but not with the same begin. Empty where there is no such process.
std::string start_of(int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return "";
  const size_t name_end = line.rfind(')');  // the name before it may hold anything
  if (name_end == std::string::npos) return "";
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22 && fields >> field; ++i)
    if (i == 3 && (field == "Z" || field == "X")) return "";  // dead, and not yet waited for
  return field;
}

constexpr const char* kTimeFormat = "%Y-%m-%dT%H:%M:%SZ";

std::string text_of(const RunStatus& status) {
  nlohmann::ordered_json json;
  json["state"] = status.state;
  if (!status.message.empty()) json["message"] = status.message;
  json["method"] = status.method;
  json["started"] = status.started;
  if (status.state != "running") json["ended"] = utc_time(kTimeFormat);
  json["total_steps"] = status.total_steps;
  json["host"] = status.host;
  json["pid"] = status.pid;
  json["process_start"] = status.process_start;
  return json_text(json, 2) + "\n";
}

void write_status(const fs::path& folder, const RunStatus& status) {
  write_file(folder / "status.json", text_of(status));
}

// Where no new file can be written, as on the full disk that ended the run: into the block of the one that is
// there. A reader may see half of it then, and takes that for none.
void write_in_place(const fs::path& path, RunStatus status) {
  constexpr size_t kBlock = 4096, kMessage = 1000;
  std::string text = text_of(status);
  if (text.size() > kBlock) {
    status.message.resize(std::min(status.message.size(), kMessage));
    text = text_of(status);
  }
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  const auto size = static_cast<off_t>(text.size());
  if (::pwrite(file, text.data(), text.size(), 0) == size && ::ftruncate(file, size) == 0)
    ::fsync(file);
  ::close(file);
}

}  // namespace

RunStatusFile::RunStatusFile(const fs::path& folder, const std::string& method, int64_t total_steps)
    : folder_(folder) {
  status_ = {.state = "running",
             .message = "",
             .method = method,
             .started = utc_time(kTimeFormat),
             .total_steps = total_steps,
             .host = host_name(),
             .pid = ::getpid(),
             .process_start = start_of(::getpid())};
  write_status(folder_, status_);
}

void RunStatusFile::finish(const std::string& state) {
  status_.state = state;
  write_status(folder_, status_);
}

void RunStatusFile::fail(const std::string& message) {
  status_.message = message;
  try {
    finish("failed");
  } catch (const Error&) {
    write_in_place(folder_ / "status.json", status_);
  }
}

std::optional<RunStatus> read_status(const fs::path& folder) {
  constexpr size_t kLargest = size_t{1} << 20;
  try {
    const auto json = parse_json(read_text_file(folder / "status.json", kLargest));
    if (!json.is_object()) return {};
    const JsonFields fields(json, "status.json");
    const auto text = [&](const char* key) { return fields.text(key).value_or(""); };
    return RunStatus{.state = text("state"),
                     .message = text("message"),
                     .method = text("method"),
                     .started = text("started"),
                     .total_steps = fields.whole("total_steps", kNotNegative).value_or(0),
                     .host = text("host"),
                     .pid = fields.whole("pid", kNotNegative).value_or(0),
                     .process_start = text("process_start")};
  } catch (const Error&) {
    return {};
  }
}

bool is_alive(const RunStatus& status, const fs::path& folder) {
  if (status.state != "running") return false;
  const LockState lock = lock_state(folder);
  return lock == LockState::kHeld || (lock == LockState::kUnknown && seems_alive(status, folder));
}

bool seems_alive(const RunStatus& status, const fs::path& folder) {
  if (status.state != "running") return false;
  if (status.host == host_name())
    return !status.process_start.empty() && start_of(status.pid) == status.process_start;
  std::error_code error;
  const auto written = fs::last_write_time(folder / "metrics.jsonl", error);
  if (error) return false;
  // A time that is to come is one of a clock that was set back: it says nothing.
  const auto age = fs::file_time_type::clock::now() - written;
  return age < std::chrono::minutes(10) && age > -std::chrono::minutes(10);
}

}  // namespace falconer
