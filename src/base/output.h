// The one rule about what a command writes for its user: nothing that it reads is written over, nor
// a file that Falconer did not write, unless that was asked for. What is no file is written through.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace falconer {

/// Where what is written to a path comes to lie.
struct OutputPlace {
  std::filesystem::path path;  // behind all links; these stay
  int descriptor = -1;         // of this process, which /dev/stdout and /proc/self/fd/3 name
  bool through = false;        // a descriptor, a pipe, a device or a socket: nothing to replace
};
/// Error: links that lead nowhere but to each other.
OutputPlace place_of(const std::filesystem::path& path);

/// Says on the file itself, in an attribute, that Falconer wrote it, with its size and the time of its
/// last change. Nothing, where it is no file. A file system without such attributes is gone without.
void mark_written(const std::filesystem::path& path);
/// Whether Falconer wrote the file and nothing else has since.
bool is_marked_written(const std::filesystem::path& path);
/// `write` is given a name beside `path`: what it writes there appears whole under `path`, marked as
/// Falconer's own. What is no file is written through: then it is given `path`.
void write_marked(const std::filesystem::path& path,
                  const std::function<void(const std::filesystem::path&)>& write);

/// Made by a command before it writes anything; it is told what the command reads, and then asked.
/// Files are compared by device and number, so that links and other spellings deceive nobody.
class OutputRule {
 public:
  explicit OutputRule(bool overwrite) : overwrite_(overwrite) {}

  /// A file; a folder with all files in it; "-", standard input. Nothing, where there is no such path.
  void reads(const std::string& path);

  /// Error: the file is one of those, or of those that were asked about before; or it is there, not
  /// marked as written by Falconer, and `overwrite` was not given. `flag` named it.
  void check_file(const std::filesystem::path& path, const char* flag);
  /// The same of a file that this command writes at its end, which may be hours away. Error, besides: it is a
  /// folder, or the folder that it would be in is not there.
  void check_result(const std::filesystem::path& path, const char* flag);
  /// Error: replacing the folder would remove what is read. What else is in it is the caller's care.
  void check_folder(const std::filesystem::path& path, const char* flag);

 private:
  using Id = std::pair<dev_t, ino_t>;
  bool is_read(const struct stat& info);

  bool overwrite_;
  std::vector<std::string> inputs_;
  std::set<Id> read_;  // files of the inputs, found at the first question
  std::set<std::filesystem::path> written_;
};

}  // namespace falconer
