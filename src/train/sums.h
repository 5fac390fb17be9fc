// SHA256SUMS of a folder that was saved: what `sha256sum -c` reads too.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace falconer {

/// Reads every file in `folder` back and writes their hashes into SHA256SUMS.
void write_sums(const std::filesystem::path& folder);

/// The files that are missing or that read differently than when they were saved, each with what is
/// wrong; nothing where the folder has no SHA256SUMS. Error: a line of it cannot be understood.
std::optional<std::vector<std::string>> check_sums(const std::filesystem::path& folder);

}  // namespace falconer
