#include "hub/repo.h"

#include <algorithm>

#include "base/error.h"

namespace falconer::hub {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The hub's own rule for an organisation and for a repository's name.
bool is_name(std::string_view name) {
  if (name.empty() || name.size() > 96 || !is_alphanumeric(name.front())) return false;
  if (!is_alphanumeric(name.back()) && name.back() != '_') return false;
  if (contains(name, "--") || contains(name, "..") || name.ends_with(".git")) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
}

// Calls `visit` with what stands between slashes; false where it returned false once.
template <class Visit>
bool every_segment(std::string_view path, Visit&& visit) {
  for (;;) {
    const size_t slash = path.find('/');
    if (!visit(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

// A path that stays below the folder that it is put behind.
bool stays_below(std::string_view path) {
  return every_segment(path, [](std::string_view segment) {
    return !segment.empty() && segment != "." && segment != ".." && segment.size() <= 255;
  });
}

}  // namespace

std::string Repo::text() const { return revision == "main" ? id : id + "@" + revision; }

std::optional<HubName> parse_hub_name(std::string_view text, RepoKind kind) {
  if (text.starts_with("hf://")) text.remove_prefix(5);
  constexpr std::string_view kDatasets = "datasets/";
  if (kind == RepoKind::kDataset && text.starts_with(kDatasets) &&
      std::count(text.begin(), text.end(), '/') >= 2)
    text.remove_prefix(kDatasets.size());
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || !is_name(text.substr(0, slash))) return {};
  // The name ends at the next '/' or '@'. Behind a model's '@' all is its revision, which may hold
  // slashes ("refs/pr/1"); behind a dataset's a file may follow.
  const size_t end = std::min(text.find_first_of("/@", slash + 1), text.size());
  if (!is_name(text.substr(slash + 1, end - slash - 1))) return {};
  HubName name{.repo = {.kind = kind, .id = std::string(text.substr(0, end))}, .file = {}};
  std::string_view rest = text.substr(end);
  if (rest.starts_with("@")) {
    const size_t stop =
        kind == RepoKind::kModel ? rest.size() : std::min(rest.find('/'), rest.size());
    name.repo.revision = rest.substr(1, stop - 1);
    if (name.repo.revision.empty()) return {};
    rest.remove_prefix(stop);
  }
  if (rest.starts_with("/")) name.file = rest.substr(1);
  if (!rest.empty() && !stays_below(name.file)) return {};
  return name;
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void check_revision(std::string_view revision) {
  if (revision.size() <= 255 && stays_below(revision) && !has_control_characters(revision) &&
      !contains(revision, "\\") && !contains(revision, " "))
    return;
  fail_usage("\"{}\" is no revision; expected a branch, a tag or a commit", printable(revision));
}

void check_file_path(std::string_view path) {
  if (path.size() <= 1024 && stays_below(path) && !has_control_characters(path) &&
      !contains(path, "\\") && !(path.size() > 1 && path[1] == ':'))
    return;
  fail(
      "\"{}\" is refused as the name of a file in a repository: it would be written outside of its "
      "folder, or cannot be a name; the repository's owner must rename it",
      printable(path));
}

std::string plain_etag(std::string_view header) {
  if (header.starts_with("W/")) header.remove_prefix(2);
  while (header.starts_with('"')) header.remove_prefix(1);
  while (header.ends_with('"')) header.remove_suffix(1);
  return std::string(header);
}

bool is_plain_etag(std::string_view etag) {
  return !etag.empty() && etag.size() <= 200 && etag.front() != '.' &&
         std::all_of(etag.begin(), etag.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

std::string url_quote(std::string_view text, bool keep_slashes) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string quoted;
  for (const char c : text) {
    if (is_alphanumeric(c) || contains("-._~", {&c, 1}) || (c == '/' && keep_slashes)) {
      quoted += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      quoted += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return quoted;
}

}  // namespace falconer::hub
