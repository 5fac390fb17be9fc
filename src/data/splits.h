// Which files of a data folder are its rows: train.*, and what is held out under the names it goes by.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// A split is one file, "train.jsonl", or several, "train-00000-of-00002.parquet" and so on, as datasets on the hub
/// have them.
struct SplitFiles {
  std::vector<std::filesystem::path> train,
      held_out;                     // in order; none where there is no such split
  std::vector<std::string> unread;  // names of files in the folder that could hold rows, sorted
};

/// Of the folder itself, or where it has no train, of its folder "data". The first of test, val, validation,
/// valid, dev and eval, with any ending that rows have, is held out. Error: a part is missing, or there twice.
SplitFiles find_splits(const std::filesystem::path& folder);

/// "train.jsonl, train.json, ...": what a message says is expected.
std::string expected_train_files();

/// Whether a file of a dataset, by its path in it, is one that find_splits() takes for that split.
bool is_of_split(std::string_view path, std::string_view name);

/// What to call the files of a split together: the one, or "data/train-*.parquet".
std::filesystem::path name_of_split(const std::vector<std::filesystem::path>& files);

}  // namespace falconer
