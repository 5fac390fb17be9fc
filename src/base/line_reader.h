// Lines of a file, a pipe or standard input, read as they come.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace falconer {

class LineReader {
 public:
  /// "-" is standard input. A pipe is read as a file is; one that nobody opens for writing within ten
  /// seconds is an error, and so is a folder. Errors name the path and the system's reason.
  explicit LineReader(const std::filesystem::path& path);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  /// The next line without its end; false behind the last. Errors: it cannot be read, or has more than
  /// 256 MB.
  bool next(std::string& line);

 private:
  bool fill();

  std::string name_;
  int file_ = -1;
  bool owned_ = false, ended_ = false;
  std::string buffer_;
  size_t at_ = 0;
};

}  // namespace falconer
