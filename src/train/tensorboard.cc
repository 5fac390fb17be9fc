#include "train/tensorboard.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/system.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "events.out.tfevents.";

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) != 0 ? 0x82F63B78u : 0);
    table[i] = c;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = crc_table();

// Checksums of checksums are weak, so the format turns and shifts what it stores.
uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

// Little-endian, whatever this machine is.
template <class Number>
void put_fixed(std::string& out, Number value) {
  for (size_t i = 0; i < sizeof(Number); ++i)
    out += static_cast<char>((static_cast<uint64_t>(value) >> (8 * i)) & 0xFF);
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
void put_key(std::string& out, int field, WireType type) {
  put_varint(out, static_cast<uint64_t>(field) << 3 | type);
}
void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_key(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

// Event: 1 wall_time, 2 step, 3 file_version, 5 summary, 7 session_log.
std::string event_at(double wall_time, int64_t step) {
  std::string event;
  uint64_t bits = 0;
  std::memcpy(&bits, &wall_time, sizeof bits);
  put_key(event, 1, kFixed64);
  put_fixed(event, bits);
  if (step != 0) {
    put_key(event, 2, kVarint);
    put_varint(event, static_cast<uint64_t>(step));
  }
  return event;
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// The seconds in an event file's name; 0 where there are none.
int64_t seconds_of(const fs::path& path) {
  const std::string name = path.filename().string().substr(kPrefix.size());
  const std::string digits = name.substr(0, name.find_first_not_of("0123456789"));
  return digits.empty() || digits.size() > 12 ? 0 : std::stoll(digits);
}

std::string host_in_name() {
  std::string host = host_name();
  for (char& c : host)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.') c = '_';
  return host.empty() ? "localhost" : host;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes)
    crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

std::string tfrecord(std::string_view bytes) {
  std::string record;
  put_fixed(record, static_cast<uint64_t>(bytes.size()));
  put_fixed(record, masked(crc32c(record)));
  record += bytes;
  put_fixed(record, masked(crc32c(bytes)));
  return record;
}

std::string version_event(double wall_time) {
  std::string event = event_at(wall_time, 0);
  put_bytes(event, 3, "brain.Event:2");
  return event;
}

std::string restart_event(double wall_time, int64_t step) {
  std::string log, event = event_at(wall_time, step);
  put_key(log, 1, kVarint);  // SessionLog.status = START
  put_varint(log, 1);
  put_bytes(event, 7, log);
  return event;
}

std::string scalars_event(double wall_time, int64_t step, const std::vector<Scalar>& scalars) {
  std::string summary, event = event_at(wall_time, step);
  for (const Scalar& scalar : scalars) {
    // Summary: 1 value; Value: 1 tag, 2 simple_value
    std::string value;
    put_bytes(value, 1, scalar.tag);
    const float number = static_cast<float>(scalar.value);
    uint32_t bits = 0;
    std::memcpy(&bits, &number, sizeof bits);
    put_key(value, 2, kFixed32);
    put_fixed(value, bits);
    put_bytes(summary, 1, value);
  }
  put_bytes(event, 5, summary);
  return event;
}

EventFile::EventFile(const fs::path& folder, int64_t after_step) {
  // Readers take the files of a folder by name: a later one must sort behind, even in one second.
  const std::vector<fs::path> earlier = list_event_files(folder);
  int64_t seconds = static_cast<int64_t>(wall_seconds());
  for (const fs::path& path : earlier) seconds = std::max(seconds, seconds_of(path) + 1);
  path_ = folder / fmt::format("{}{:010}.{}.{}.0", kPrefix, seconds, host_in_name(), ::getpid());
  file_.reset(std::fopen(path_.c_str(), "wbe"));
  if (!file_) fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
  put(version_event(wall_seconds()));
  if (!earlier.empty()) put(restart_event(wall_seconds(), after_step + 1));
}

void EventFile::write(int64_t step, const std::vector<Scalar>& scalars) {
  put(scalars_event(wall_seconds(), step, scalars));
}

void EventFile::sync() {
  if (::fsync(::fileno(file_.get())) != 0)
    fail("{}: cannot be synced to disk: {}", path_.string(), std::strerror(errno));
}

void EventFile::put(const std::string& event) {
  const std::string record = tfrecord(event);
  if (std::fwrite(record.data(), 1, record.size(), file_.get()) != record.size() ||
      std::fflush(file_.get()) != 0)
    fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
}

std::vector<fs::path> list_event_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().starts_with(kPrefix)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace falconer
