#include "data/splits.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/path.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTrain[] = {"train"};
constexpr const char* kHeldOut[] = {"test", "val", "validation", "valid", "dev", "eval"};
constexpr const char* kEndings[] = {".jsonl", ".json", ".csv", ".txt", ".parquet"};
constexpr const char* kOthers[] = {"prepare.json",      "dataset_info.json", "dataset_infos.json",
                                   "dataset_dict.json", "state.json",        "readme.txt",
                                   "license.txt"};

template <size_t N>
std::optional<fs::path> first_of(const fs::path& folder, const char* const (&names)[N]) {
  for (const char* name : names)
    for (const char* ending : kEndings)
      if (const fs::path file = folder / (std::string(name) + ending); is_there(file)) return file;
  return {};
}

bool may_hold_rows(const fs::path& file) {
  std::string name = file.filename().string();
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto is = [&](const char* other) { return name == other; };
  const auto ends = [&](const char* ending) { return name.ends_with(ending); };
  return std::none_of(std::begin(kOthers), std::end(kOthers), is) &&
         std::any_of(std::begin(kEndings), std::end(kEndings), ends);
}

}  // namespace

SplitFiles find_splits(const fs::path& folder) {
  SplitFiles splits{
      .train = first_of(folder, kTrain), .held_out = first_of(folder, kHeldOut), .unread = {}};
  std::error_code error;  // a folder that cannot be listed was read nevertheless
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path() == splits.train || entry.path() == splits.held_out) continue;
    if (entry.is_regular_file(error) && may_hold_rows(entry.path()))
      splits.unread.push_back(entry.path().filename().string());
  }
  std::sort(splits.unread.begin(), splits.unread.end());
  return splits;
}

std::string expected_train_files() {
  std::vector<std::string> names;
  for (const char* ending : kEndings) names.push_back(std::string(kTrain[0]) + ending);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace falconer
