// Names on a model hub: repositories, revisions, the files in them. Every one of them becomes a path
// or an address, so each is checked before it is used, whoever gave it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace falconer::hub {

enum class RepoKind { kModel, kDataset };

struct Repo {
  RepoKind kind = RepoKind::kModel;
  std::string id;  // "org/name"
  std::string revision = "main";

  /// "org/name", with "@revision" where that is not main.
  std::string text() const;
  /// "model" or "dataset".
  const char* kind_name() const { return kind == RepoKind::kModel ? "model" : "dataset"; }
};

/// A repository, and a file in it where one was named.
struct HubName {
  Repo repo;
  std::string file;
};

/// "org/name", "org/name@revision", "org/name/path/to/file", any of them behind "hf://"; for a
/// dataset "datasets/" may stand before it. Nothing where `text` is no such name, for instance
/// because it is a path.
std::optional<HubName> parse_hub_name(std::string_view text, RepoKind kind);

/// 40 hexadecimal digits.
bool is_commit(std::string_view text);

/// Errors: a branch, tag or commit that could not be one, or that would be a path outside of the
/// cache.
void check_revision(std::string_view revision);

/// Error: a file's name that would be written outside of its folder, or that no file can have.
void check_file_path(std::string_view path);

/// What stands in an ETag header, without quotes and without the mark of a weak one.
std::string plain_etag(std::string_view header);
/// Whether it can be the name of a file.
bool is_plain_etag(std::string_view etag);

/// Percent-encoding of all but letters, digits and "-._~", and but '/' where it separates folders.
std::string url_quote(std::string_view text, bool keep_slashes);

}  // namespace falconer::hub
