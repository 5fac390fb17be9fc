#include "hub/cache.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/process.h"
#include "base/trim.h"

namespace falconer::hub {
namespace fs = std::filesystem;
namespace {

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string folder_name(const Repo& repo) {
  std::string name = std::string(repo.kind_name()) + "s--";
  for (const char c : repo.id) name += c == '/' ? std::string("--") : std::string(1, c);
  return name;
}

// The shards that an index names, or that there are none to be found.
bool shards_are_there(const fs::path& folder, const fs::path& index) {
  const auto json = parse_json(read_text_file(index));
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    return false;
  const auto& map = json["weight_map"];
  return std::all_of(map.begin(), map.end(), [&](const nlohmann::json& shard) {
    return shard.is_string() && is_file(folder / shard.get<std::string>());
  });
}

bool has_model_weights(const fs::path& folder) {
  for (const char* name : {"model.safetensors", "pytorch_model.bin"}) {
    if (is_file(folder / name)) return true;
    const fs::path index = folder / (std::string(name) + ".index.json");
    if (is_file(index)) return shards_are_there(folder, index);
  }
  return false;
}

bool has_adapter(const fs::path& folder) {
  return is_file(folder / "adapter_config.json") &&
         (is_file(folder / "adapter_model.safetensors") || is_file(folder / "adapter_model.bin"));
}

// huggingface_hub 2 keeps what the hub listed. Nothing where it did not, or in another form.
std::vector<std::string> recorded_names(const fs::path& path) {
  if (!is_file(path)) return {};
  const auto json = parse_json(read_text_file(path));
  if (!json.is_object() || !json.contains("files") || !json["files"].is_object()) return {};
  std::vector<std::string> names;
  for (const auto& entry : json["files"].items()) names.push_back(entry.key());
  return names;
}

}  // namespace

RepoCache::RepoCache(const fs::path& cache, const Repo& repo)
    : repo_(repo),
      folder_(cache / folder_name(repo)),
      locks_(cache / ".locks" / folder_name(repo)) {
  check_revision(repo.revision);
}

std::string RepoCache::known_commit() const {
  if (is_commit(repo_.revision)) return repo_.revision;
  const fs::path ref = folder_ / "refs" / repo_.revision;
  if (!is_file(ref)) return {};
  const std::string commit(trimmed(read_text_file(ref, 1 << 12)));
  return is_commit(commit) ? commit : "";
}

void RepoCache::remember_commit(const std::string& commit) const {
  if (repo_.revision == commit || known_commit() == commit) return;
  const fs::path ref = folder_ / "refs" / repo_.revision;
  make_folder(ref.parent_path());
  write_file(ref, commit);
}

void RepoCache::link(const std::string& commit, const std::string& path,
                     const std::string& etag) const {
  const fs::path place = snapshot(commit) / path;
  std::error_code error;
  if (fs::equivalent(place, blob(etag), error)) return;
  make_folder(place.parent_path());
  const fs::path target = blob(etag).lexically_relative(place.parent_path());
  const fs::path made = folder_ / (".link-" + unique_id());
  fs::remove(made, error);
  fs::create_symlink(target, made, error);
  if (error) fs::copy_file(blob(etag), made, error);  // a file system without links
  if (!error) fs::rename(made, place, error);
  if (error) fail("{}: cannot be put in place: {}", place.string(), error.message());
}

void RepoCache::mark_absent(const std::string& commit, const std::string& path) const {
  const fs::path mark = folder_ / ".no_exist" / commit / path;
  if (is_file(mark)) return;
  make_folder(mark.parent_path());
  write_file(mark, "");
}

bool RepoCache::is_absent(const std::string& commit, const std::string& path) const {
  return is_file(folder_ / ".no_exist" / commit / path);
}

std::vector<std::string> RepoCache::files(const std::string& commit) const {
  const fs::path root = snapshot(commit);
  std::vector<std::string> names;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(root, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error))
    if (is_file(it->path())) names.push_back(it->path().lexically_relative(root).string());
  std::sort(names.begin(), names.end());
  return names;
}

namespace {

bool has_essentials(const fs::path& folder, Selection::Purpose purpose) {
  switch (purpose) {
    case Selection::Purpose::kModel:
      return (is_file(folder / "config.json") && has_model_weights(folder)) || has_adapter(folder);
    case Selection::Purpose::kConfig:
      return is_file(folder / "config.json");
    case Selection::Purpose::kTokenizer:
      return is_file(folder / "tokenizer.json") ||
             (is_file(folder / "vocab.json") && is_file(folder / "merges.txt")) ||
             is_file(folder / "tokenizer.model");
    case Selection::Purpose::kAdapter:
      return has_adapter(folder);
    case Selection::Purpose::kData:
      return false;  // only the hub knows which files there are
  }
  return false;
}

}  // namespace

Completeness completeness(const RepoCache& cache, const std::string& commit,
                          Selection::Purpose purpose) {
  const fs::path folder = cache.snapshot(commit);
  if (!has_essentials(folder, purpose)) return Completeness::kMissing;
  const auto there = [&](const std::string& name) { return is_file(folder / name); };
  const auto decided = [&](const std::string& name) {
    return there(name) || cache.is_absent(commit, name);
  };
  const auto listed = recorded_names(cache.folder() / "trees" / (commit + ".json"));
  const auto names =
      listed.empty() ? expected_names(purpose) : select(listed, {.purpose = purpose});
  const bool whole = listed.empty() ? std::all_of(names.begin(), names.end(), decided)
                                    : std::all_of(names.begin(), names.end(), there);
  return whole ? Completeness::kWhole : Completeness::kUsable;
}

}  // namespace falconer::hub
