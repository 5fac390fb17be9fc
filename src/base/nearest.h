// What somebody may have meant who mistyped.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace falconer {

/// The one of `names` that is nearest to `name`; empty where none is near enough to be meant: a third
/// of its letters may differ, and `slack` of them in short names.
std::string nearest_name(const std::string& name, const std::vector<std::string>& names,
                         size_t slack = 2);

/// "; did you mean NAME?", or nothing.
std::string did_you_mean(const std::string& name, const std::vector<std::string>& names);

/// "no such file; did you mean data/support.jsonl?": why there is nothing at `path`. The nearest name in
/// its folder is meant; without one, the first folder on the way that is not there is named, and what
/// was expected.
std::string not_found_text(const std::filesystem::path& path, const std::string& expected);

}  // namespace falconer
