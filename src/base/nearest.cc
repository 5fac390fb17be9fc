#include "base/nearest.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/terminal.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

// Letters to add, drop or replace to make b of a.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1])});
      corner = above;
    }
  }
  return row.back();
}

std::vector<std::string> names_in(const fs::path& folder) {
  constexpr size_t kMost = 10'000;
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
    if (names.size() == kMost) break;
  }
  std::sort(names.begin(), names.end());  // of two that are equally near, always the same
  return names;
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& names,
                         size_t slack) {
  size_t least = std::max<size_t>(slack, name.size() / 3) + 1;
  std::string nearest;
  for (const std::string& one : names)
    if (const size_t d = distance(name, one); d < least) {
      least = d;
      nearest = one;
    }
  return nearest;
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& names) {
  const std::string nearest = nearest_name(name, names);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

std::string not_found_text(const fs::path& path, const std::string& expected) {
  std::error_code error;
  if (path.string().starts_with("~"))
    return "no such file: a shell puts the home folder for ~ only where a word begins with it";
  fs::path at = path;
  if (!at.has_filename()) at = at.parent_path();
  // The first part of the path that is not there.
  while (at.has_parent_path() && at.parent_path() != at && !fs::exists(at.parent_path(), error))
    at = at.parent_path();
  const fs::path folder = at.has_parent_path() ? at.parent_path() : fs::path(".");
  const std::string nearest = nearest_name(at.filename().string(), names_in(folder), 1);
  std::string text = path.has_extension() ? "no such file" : "no such folder";
  if (!nearest.empty()) {
    const fs::path rest = path.lexically_relative(at);
    fs::path meant = at.has_parent_path() ? at.parent_path() / nearest : fs::path(nearest);
    if (!rest.empty() && rest != "." && fs::exists(meant / rest, error)) meant /= rest;
    return text + "; did you mean " + without_controls(meant.string()) + "?";
  }
  if (at != path && at.filename() != path.filename())
    text += fmt::format(": there is no {}", without_controls(at.string()));
  return text + "; expected " + expected;
}

}  // namespace falconer
