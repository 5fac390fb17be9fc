// Names of what is being written beside its place, and what is left of it where a process was killed:
// the next that writes to the same place clears it, and clear_partials() (base/file.h) what is left of
// anything in a folder. What another process still writes stays, and so do a file whose name is not
// exactly that of a partial one and what another machine may be writing.
#pragma once

#include <filesystem>

namespace falconer {

/// ".NAME.partial-MACHINE-PID-NUMBER" in the folder of `path`: the name that nothing else has, on any
/// machine that writes there.
std::filesystem::path partial_name(const std::filesystem::path& path);
/// Whether `path` ends with such a name.
bool is_partial_name(const std::filesystem::path& path);

/// Makes an empty file or a folder under a partial_name() of `path`, after what processes that no
/// longer run left of `path` was removed. While the descriptor is open, others know that it is being
/// written. Errors name `path` and the system's reason.
struct Partial {
  std::filesystem::path name;
  int fd = -1;  // of a file for writing, of a folder for holding on to it
};
Partial begin_partial_file(const std::filesystem::path& path);
Partial begin_partial_folder(const std::filesystem::path& path);

/// Keeps the descriptor open until let_go(), for an owner that has nothing to do with it but that.
std::filesystem::path hold_on(const Partial& partial);
void let_go(const std::filesystem::path& name);

}  // namespace falconer
