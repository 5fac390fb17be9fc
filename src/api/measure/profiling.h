// --profile: a session's passes are timed, and it is said where the time went.
#pragma once

#include <filesystem>
#include <string>

#include "method/session.h"
#include "ops/profile.h"

namespace falconer {

/// What a profile found, as two tables for people: by op, and by part of the model and the run.
std::string profile_text(const Profile& profile);
/// An array of complete events in JSON, as chrome://tracing and Perfetto read it. Error: it cannot be written.
void write_trace(const Profile& profile, const std::filesystem::path& path);

/// From its making to its end the passes of `session` are timed, in the thread that made it. With an empty
/// path nothing is.
class Profiling {
 public:
  Profiling(Session& session, std::filesystem::path path);
  Profiling(const Profiling&) = delete;
  Profiling& operator=(const Profiling&) = delete;
  ~Profiling();

  /// Logs the tables and writes the trace. Error: as of write_trace().
  void finish();

 private:
  Session& session_;
  std::filesystem::path path_;
  const Kernels* before_;
  std::unique_ptr<Profile> profile_;
};

}  // namespace falconer
