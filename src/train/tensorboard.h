// A run's curves in TensorBoard's format: records of protocol buffers in events.out.tfevents.*.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// CRC-32C (Castagnoli), as records carry it. crc32c("123456789") is 0xe3069283.
uint32_t crc32c(std::string_view bytes);

/// A record: length, its masked checksum, the bytes, their masked checksum.
std::string tfrecord(std::string_view bytes);

struct Scalar {
  std::string_view tag;
  double value = 0;
};

/// tensorboard.Event messages. What is not finite is written as it is: TensorBoard shows it.
std::string version_event(double wall_time);
/// Readers forget what earlier files of the folder say of `step` and later ones.
std::string restart_event(double wall_time, int64_t step);
std::string scalars_event(double wall_time, int64_t step, const std::vector<Scalar>& scalars);

/// One event file. Each run, and each resumption of one, writes a file of its own, named so that
/// readers take it behind the earlier ones.
class EventFile {
 public:
  /// `after_step`: the step behind which the run goes on; -1: a new run.
  EventFile(const std::filesystem::path& folder, int64_t after_step);
  void write(int64_t step, const std::vector<Scalar>& scalars);
  /// What was written is on the disk.
  void sync();

 private:
  void put(const std::string& event);

  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Closer> file_;
};

/// The event files in a run's folder, oldest first.
std::vector<std::filesystem::path> list_event_files(const std::filesystem::path& folder);

}  // namespace falconer
