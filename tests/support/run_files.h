// What a run leaves behind and says, for tests of whole runs.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/file.h"

namespace falconer::test {

inline std::filesystem::path weights_of(const std::filesystem::path& folder) {
  const std::filesystem::path adapter = folder / "adapter_model.safetensors";
  return std::filesystem::exists(adapter) ? adapter : folder / "model.safetensors";
}

inline std::string file_bytes(const std::filesystem::path& path) { return read_text_file(path); }

/// The figure of a line of a memory plan.
inline double megabytes_of(const std::string& plan, const std::string& line) {
  const size_t at = plan.find(line);
  EXPECT_NE(at, std::string::npos) << plan;
  return std::stod(plan.substr(at + line.size()));
}

}  // namespace falconer::test
