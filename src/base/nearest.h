// What somebody may have meant who mistyped.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace falconer {

/// The one of `names` that is nearest to `name`; empty where none is near enough to be meant: a third
/// of its letters may differ, and `slack` of them in short names. Two neighbours that changed places count
/// as one that differs.
std::string nearest_name(const std::string& name, const std::vector<std::string>& names,
                         size_t slack = 2);

/// "; did you mean NAME?", or nothing.
std::string did_you_mean(const std::string& name, const std::vector<std::string>& names,
                         size_t slack = 2);

/// What is wrong with a `value` that is none of `known`: "is "lroa", expected one of lora, full; did you mean
/// lora?". `more`: what else may stand there and is no plain word, as "cuda:N".
std::string not_one_of(const std::string& value, const std::vector<std::string>& known,
                       const std::vector<std::string>& more = {});

/// Error (usage): "--flag is ...", as not_one_of() says.
[[noreturn]] void fail_choice(const std::string& flag, const std::string& value,
                              const std::vector<std::string>& known,
                              const std::vector<std::string>& more = {});

/// "; did you mean out/lora?" where something lies near `path`, or nothing: for names that are no paths alone.
std::string did_you_mean_path(const std::filesystem::path& path);

/// "no such file; did you mean data/support.jsonl?": why there is nothing at `path`. The nearest name in
/// its folder is meant; without one, the first folder on the way that is not there is named, and what
/// was expected.
std::string not_found_text(const std::filesystem::path& path, const std::string& expected);

}  // namespace falconer
