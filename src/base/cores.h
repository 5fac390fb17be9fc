// How many cores this process may compute on.
#pragma once

#include <filesystem>

namespace falconer {

/// The cores of this process' affinity mask, or fewer where a cgroup (version 1 or 2) that it is in, as
/// in a container, grants less processor time: then that time in whole cores, rounded up. At least 1.
/// `root` is where the system's files are looked for.
int usable_cores(const std::filesystem::path& root = "/");

/// OMP_NUM_THREADS where it is a number above 0 (of a list, its first), else 0.
int chosen_thread_count();
/// The same, or usable_cores() where nothing was chosen.
int default_thread_count();

}  // namespace falconer
