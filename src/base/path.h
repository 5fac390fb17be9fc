// What is at a path, without the exceptions of std::filesystem.
#pragma once

#include <filesystem>

namespace falconer {

/// Whether something is at `path`, or the system cannot tell (no permission, a loop of links): then
/// opening it says why. A link whose target is missing is nothing.
inline bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) || error;
}
inline bool is_folder(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}
inline bool is_plain_file(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

/// The folder that a path's last name stands in.
inline std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace falconer
