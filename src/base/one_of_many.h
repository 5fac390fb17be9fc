// What a process does otherwise that mpirun started as one of several: one of them alone talks to the user.
#pragma once

#include <filesystem>
#include <string>

namespace falconer {

/// Once, at the start of the program. The first prints results and logs as ever, but for stdout, where launchers put
/// a terminal of their own, which nobody sees. The others print no results, and keep their log until it has a file.
/// SIGUSR1 and SIGUSR2, which launchers pass on, are to them what SIGINT and SIGTERM are to a process alone.
void be_one_of_many(bool first);
bool is_one_of_many();
/// The same of stdout alone, for a process that mpirun started as its only one.
void be_started_by_mpirun();
/// Whether this process talks to the user: it is alone, or the first.
bool speaks();

/// Where the log of a process that does not speak() goes from now on, behind what is there, with what was logged
/// so far. Others' logs stay where they are. Error: it cannot be opened.
void log_to_file(const std::filesystem::path& path);

/// Whether stdout is a terminal that somebody looks at.
bool stdout_is_terminal();

/// Waits for so long at most for the launcher to say that the job is going down: another rank has ended it.
bool told_to_end(double seconds);

}  // namespace falconer
