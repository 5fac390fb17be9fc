// A folder in memory for parsers that open files, one for each process.
#pragma once

#include <filesystem>
#include <string_view>

namespace falconer::fuzz {

class Folder {
 public:
  /// In the system's memory file system, or where there is none, its folder for temporary files.
  explicit Folder(std::string_view name);
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();

  const std::filesystem::path& path() const { return path_; }
  /// Writes a file over the one that was there; returns its path.
  std::filesystem::path put(std::string_view name, std::string_view content) const;
  /// The file is gone; it need not have been there.
  void remove(std::string_view name) const;

 private:
  std::filesystem::path path_;
};

}  // namespace falconer::fuzz
