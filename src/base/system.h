// Facts about this process and machine.
#pragma once

#include <cstdint>
#include <string>

namespace falconer {

/// What the system says of the call that just failed (errno).
std::string system_reason();

/// The most memory that this process ever had resident, in bytes (mapped files that were touched
/// count).
int64_t peak_rss_bytes();
/// The memory that this process has resident now, in bytes.
int64_t resident_bytes();
/// Memory that the system could give without swapping, in bytes; a container's limit counts.
int64_t available_memory_bytes();
/// Free bytes on the file system of `path` (or of its nearest existing parent).
int64_t free_disk_bytes(const char* path);

/// "AMD EPYC 7763 64-Core Processor"; "unknown processor" where the system does not say.
std::string processor_name();

/// This machine's name in the network; empty where it has none.
std::string host_name();

/// Seconds since some fixed moment.
double now_seconds();
/// The time of day, in UTC, as strftime formats it: at most 63 characters.
std::string utc_time(const char* format);

}  // namespace falconer
