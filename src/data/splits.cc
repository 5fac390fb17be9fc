#include "data/splits.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/number.h"
#include "base/path.h"
#include "base/row_file.h"
#include "base/small_letters.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTrain = "train";
constexpr const char* kHeldOut[] = {"test", "val", "validation", "valid", "dev", "eval"};
constexpr const char* kOthers[] = {"prepare.json",      "dataset_info.json", "dataset_infos.json",
                                   "dataset_dict.json", "state.json",        "readme.txt",
                                   "license.txt"};

/// "train-00001-of-00002.parquet" is part 1 of 2 of train, which are numbered from 0, or by some from 1. Older datasets have a hash before the ending.
struct Part {
  std::string split;
  uint64_t number = 0, count = 0;
};

/// Takes "-" and what stands behind it off the end of a name.
std::string_view take_last(std::string_view& name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos) return {};
  const std::string_view last = name.substr(dash + 1);
  name.remove_suffix(name.size() - dash);
  return last;
}

std::optional<Part> part_of(std::string_view file) {
  const RowFile kind = row_file(file);
  if (kind.format == RowFormat::kNone) return {};
  std::string_view stem = file.substr(0, file.find('.'));
  std::string_view count = take_last(stem), of = take_last(stem);
  if (of != "of") {
    count = of;
    of = take_last(stem);
  }
  const auto number = unsigned_of_text(take_last(stem)), all = unsigned_of_text(count);
  constexpr uint64_t kMostParts = 100000;
  if (of != "of" || !number || !all || *number > *all || *all == 0 || *all > kMostParts) return {};
  return Part{.split = std::string(stem), .number = *number, .count = *all};
}

/// All parts that lie in a folder, in order.
std::vector<fs::path> parts_in(const fs::path& folder, std::string_view split) {
  std::map<uint64_t, fs::path> found;
  uint64_t count = 0;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& file = entry->path();
    const auto part = part_of(file.filename().string());
    if (!part || part->split != split) continue;
    const bool added = found.try_emplace(part->number, file).second;
    if (!added || (count != 0 && count != part->count))
      fail("{}: holds the parts of {} more than once; keep one set of them: see {}",
           folder.string(), split, file.filename().string());
    count = part->count;
  }
  std::vector<fs::path> files;
  const uint64_t first = found.contains(count) ? 1 : 0;
  if (first == 1 && found.contains(0))
    fail(
        "{}: holds parts of {} from 0 to {} of {}; keep one set of them, numbered from 0 or from 1",
        folder.string(), split, count, count);
  for (uint64_t number = first; number < first + count; ++number) {
    if (!found.contains(number))
      fail("{}: holds {} of the {} parts of {}, and part {:05} is missing; fetch it too",
           folder.string(), found.size(), count, split, number);
    files.push_back(found[number]);
  }
  return files;
}

std::vector<std::string> split_endings() {
  std::vector<std::string> endings = row_file_endings();
  endings.push_back(".txt");
  return endings;
}

std::vector<fs::path> split_in(const fs::path& folder, std::string_view name) {
  for (const std::string& ending : split_endings())
    if (fs::path file = folder / (std::string(name) + ending); is_there(file)) return {file};
  return parts_in(folder, name);
}

bool may_hold_rows(const fs::path& file) {
  const std::string name = small_letters(file.filename().string());
  const auto is = [&](const char* other) { return name == other; };
  return std::none_of(std::begin(kOthers), std::end(kOthers), is) &&
         (name.ends_with(".txt") || row_file(name).format != RowFormat::kNone);
}

/// Names of files in `folder` that could hold rows, but those of its splits.
std::vector<std::string> unread_in(const fs::path& folder, const SplitFiles& splits) {
  std::vector<std::string> names;
  const auto is_in = [](const std::vector<fs::path>& files, const fs::path& file) {
    return std::find(files.begin(), files.end(), file) != files.end();
  };
  std::error_code error;  // a folder that cannot be listed was read nevertheless
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (is_in(splits.train, entry.path()) || is_in(splits.held_out, entry.path())) continue;
    if (entry.is_regular_file(error) && may_hold_rows(entry.path()))
      names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

SplitFiles find_splits(const fs::path& folder) {
  SplitFiles splits;
  fs::path place = folder;
  splits.train = split_in(place, kTrain);
  if (splits.train.empty() && is_folder(folder / "data")) {
    splits.train = split_in(folder / "data", kTrain);
    if (!splits.train.empty()) place = folder / "data";
  }
  for (const char* name : kHeldOut)
    if (splits.held_out.empty()) splits.held_out = split_in(place, name);
  splits.unread = unread_in(place, splits);
  return splits;
}

std::string expected_train_files() {
  std::string text;
  for (const std::string_view ending : {".jsonl", ".json", ".csv", ".parquet", ".txt"})
    text += fmt::format("{}{}, ", kTrain, ending);
  return text + "train-00000-of-00001.parquet and its other parts";
}

bool is_of_split(std::string_view path, std::string_view name) {
  constexpr std::string_view kFolder = "data/";
  if (path.starts_with(kFolder)) path.remove_prefix(kFolder.size());
  if (path.find('/') != std::string_view::npos) return false;
  if (const auto part = part_of(path)) return part->split == name;
  const std::vector<std::string>& endings = row_file_endings();
  return std::any_of(endings.begin(), endings.end(),
                     [&](const std::string& ending) { return path == std::string(name) + ending; });
}

fs::path name_of_split(const std::vector<fs::path>& files) {
  if (files.size() == 1) return files.front();
  const std::string first = files.front().filename().string();
  const auto part = part_of(first);
  FALCONER_CHECK(part);
  return files.front().parent_path() / (part->split + "-*" + first.substr(first.find('.')));
}

}  // namespace falconer
