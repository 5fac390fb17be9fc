// This program among others: running one to its end, and names that no other uses.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace falconer {

struct ProcessResult {
  int exit_code = 0;   // 128 + the signal's number where a signal ended it
  std::string output;  // what it wrote to stdout
};

/// Runs `words` (the program's path first) with this process's environment and stderr; where `log`
/// is given, its stderr goes there instead. Errors: it cannot be started, or not be waited for, as
/// where SIGCHLD is ignored.
ProcessResult run_process(const std::vector<std::string>& words,
                          const std::filesystem::path& log = {});

/// "PID-NUMBER", for names of files beside those of other threads and programs: every call gives
/// another.
std::string unique_id();

/// The path of the program that runs now.
std::string this_program();

}  // namespace falconer
