// Which files of a data folder are its rows: train.*, and what is held out under the names it goes by.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace falconer {

struct SplitFiles {
  std::optional<std::filesystem::path> train, held_out;
  std::vector<std::string> unread;  // names of files in the folder that could hold rows, sorted
};

/// The first of test, val, validation, valid, dev and eval, with any ending that rows have, is held out.
SplitFiles find_splits(const std::filesystem::path& folder);

/// "train.jsonl, train.json, ...": what a message says is expected.
std::string expected_train_files();

}  // namespace falconer
