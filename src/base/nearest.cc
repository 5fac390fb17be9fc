#include "base/nearest.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/joined.h"
#include "base/terminal.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

// Letters to add, drop, replace or swap with the next to make b of a.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1), above, before;
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(above, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
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

std::string did_you_mean(const std::string& name, const std::vector<std::string>& names,
                         size_t slack) {
  const std::string nearest = nearest_name(name, names, slack);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

std::string not_one_of(const std::string& value, const std::vector<std::string>& known,
                       const std::vector<std::string>& more) {
  std::vector<std::string> all = known;
  all.insert(all.end(), more.begin(), more.end());
  std::string plain = value;  // "adapter_v2" is adapter-v2
  std::transform(plain.begin(), plain.end(), plain.begin(), [](unsigned char c) {
    return c == '_' ? '-' : static_cast<char>(std::tolower(c));
  });
  // Choices are short: one letter is much of them.
  return fmt::format("is \"{}\", expected one of {}{}", printable(value), joined(all, ", "),
                     did_you_mean(plain, known, 1));
}

void fail_choice(const std::string& flag, const std::string& value,
                 const std::vector<std::string>& known, const std::vector<std::string>& more) {
  fail_usage("{} {}", spelled_name(flag), not_one_of(value, known, more));
}

namespace {

// The first part of the path that is not there.
fs::path first_missing(fs::path at) {
  std::error_code error;
  if (!at.has_filename()) at = at.parent_path();
  while (at.has_parent_path() && at.parent_path() != at && !fs::exists(at.parent_path(), error))
    at = at.parent_path();
  return at;
}

// Of what lies beside `missing`, a part of `path`, what it may have been meant to be, with the rest of the path
// where that is there too; empty: nothing.
fs::path meant_by(const fs::path& path, const fs::path& missing) {
  std::error_code error;
  const fs::path folder = missing.has_parent_path() ? missing.parent_path() : fs::path(".");
  const std::string nearest = nearest_name(missing.filename().string(), names_in(folder), 1);
  if (nearest.empty()) return {};
  const fs::path rest = path.lexically_relative(missing);
  fs::path meant = missing.has_parent_path() ? missing.parent_path() / nearest : fs::path(nearest);
  if (!rest.empty() && rest != "." && fs::exists(meant / rest, error)) meant /= rest;
  return meant;
}

}  // namespace

std::string did_you_mean_path(const fs::path& path) {
  const fs::path meant = meant_by(path, first_missing(path));
  return meant.empty() ? "" : "; did you mean " + without_controls(meant.string()) + "?";
}

std::string not_found_text(const fs::path& path, const std::string& expected) {
  if (path.string().starts_with("~"))
    return "no such file: a shell puts the home folder for ~ only where a word begins with it";
  const fs::path missing = first_missing(path);
  const bool file =
      path.has_extension() || expected.starts_with("a file") || expected.starts_with("a .");
  std::string text = file ? "no such file" : "no such folder";
  if (const std::string meant = did_you_mean_path(path); !meant.empty()) return text + meant;
  if (missing != path && missing.filename() != path.filename())
    text += fmt::format(": there is no {}", without_controls(missing.string()));
  return text + "; expected " + expected;
}

}  // namespace falconer
