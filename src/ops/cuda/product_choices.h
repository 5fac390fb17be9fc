// Which of a library's algorithms is fastest for a product: measured once on a machine and written
// down, so that later runs make the same choice and give the same bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace falconer {

/// A text file of lines "KEY INDEX". Keys have no spaces. A file that cannot be written costs a
/// measurement in the next run, nothing else.
class ProductChoices {
 public:
  /// `device` and the library's version name the file; an empty folder: nothing is kept.
  ProductChoices(const std::filesystem::path& folder, const std::string& device) {
    if (folder.empty()) return;
    std::string name = "products-";
    for (const char c : device) {
      const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      name += plain ? c : '-';
    }
    path_ = folder / (name + ".txt");
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string key, rest;
      int index = 0;
      // A line that is not as it should be was cut short, or is not ours.
      if (words >> key >> index && !(words >> rest) && index >= 0) choices_[key] = index;
    }
  }

  /// -1: not measured yet.
  int find(const std::string& key) const {
    const auto found = choices_.find(key);
    return found == choices_.end() ? -1 : found->second;
  }

  void add(const std::string& key, int index) {
    choices_[key] = index;
    if (path_.empty()) return;
    std::error_code ignored;
    std::filesystem::create_directories(path_.parent_path(), ignored);
    std::ofstream file(path_, std::ios::app);
    file << key + " " + std::to_string(index) + "\n";
  }

  /// $XDG_CACHE_HOME/falconer, or ~/.cache/falconer; empty where neither is set.
  static std::filesystem::path folder() {
    if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
      return std::filesystem::path(cache) / "falconer";
    if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
      return std::filesystem::path(home) / ".cache" / "falconer";
    return {};
  }

 private:
  std::filesystem::path path_;
  std::map<std::string, int> choices_;
};

}  // namespace falconer
