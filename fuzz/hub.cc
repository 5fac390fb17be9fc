// What a hub answers, and what others left in its cache.
#include <filesystem>

#include "base/error.h"
#include "folder.h"
#include "hub/address.h"
#include "hub/cache.h"
#include "hub/fetch.h"
#include "hub/listing.h"
#include "hub/retry.h"
#include "targets.h"

namespace falconer::fuzz {
namespace {

const std::string& commit() {
  static const std::string text(40, 'a');
  return text;
}

/// That a path stays in the folder that it is put behind, by another way than the parser's.
void check_inside(const std::string& path) {
  const std::filesystem::path whole = (std::filesystem::path("/a/b") / path).lexically_normal();
  FALCONER_CHECK(whole.string().starts_with("/a/b/") && whole.string().size() > 5);
}

}  // namespace

void fuzz_hub_listing(Input input) {
  const hub::Listing listing = hub::parse_listing(std::string(input), "https://hub.test");
  for (const hub::RemoteFile& file : listing.files) {
    check_inside(file.path);
    if (!file.etag.empty()) check_inside(file.etag);
    hub::url_quote(file.path, true);
  }
}

void fuzz_hub_headers(Input input) {
  hub::HttpReply reply{
      .status = 200, .url = "https://hub.test/x", .headers = {}, .hub_headers = {}, .body = {}};
  while (!input.empty()) {
    const size_t end = std::min(input.find('\n'), input.size());
    if (!hub::collect_header(input.substr(0, end), reply)) break;
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  reply.hub_headers = reply.headers;
  const hub::Repo repo{.kind = hub::RepoKind::kModel, .id = "org/name"};
  const hub::Settings settings;
  hub::RemoteFile file{.path = "model.safetensors", .etag = {}, .size = {}};
  const auto attempt = [](auto&& what) {
    try {
      what();
    } catch (const Error&) {
    }
  };
  attempt([&] {
    hub::take_facts(reply, "https://hub.test", file);
    check_inside(file.etag);
  });
  file.etag = std::string(64, 'b');
  file.size = 200;
  hub::FetchJob job{.file = file, .partial = {}, .target = {}};
  attempt([&] { hub::check_identity(reply, job, commit()); });
  attempt([&] { hub::check_range(reply, job, 100); });
  attempt([&] { hub::redirected(reply.url, reply.header("location")); });
  for (const int status : {401, 404, 429, 503}) {
    reply.status = status;
    attempt([&] { hub::fail_status(reply, repo, file.path, settings); });
  }
}

void fuzz_hub_cache(Input input) {
  static const Folder folder("hub_cache");
  static const hub::Repo repo{.kind = hub::RepoKind::kModel, .id = "org/name"};
  static const hub::RepoCache cache(folder.path(), repo);
  static const bool made = [] {
    std::filesystem::create_directories(cache.snapshot(commit()));
    std::filesystem::create_directories(cache.folder() / "trees");
    std::filesystem::create_directories(cache.folder() / "refs");
    return true;
  }();
  static_cast<void>(made);
  if (input.empty()) return;
  const char which = input[0];
  input.remove_prefix(1);
  const std::string root = cache.folder().lexically_relative(folder.path()).string();
  const std::string snapshot = root + "/snapshots/" + commit();
  folder.put(snapshot + "/config.json", "{}");
  folder.put(snapshot + "/model.safetensors.index.json", which % 2 ? input : "{}");
  folder.put(root + "/trees/" + commit() + ".json", which % 2 ? "{}" : input);
  folder.put(root + "/refs/main", input);
  const std::string known = cache.known_commit();
  FALCONER_CHECK(known.empty() || hub::is_commit(known));
  hub::completeness(cache, commit(), hub::Selection::Purpose::kModel);
  hub::parse_hub_name(input, hub::RepoKind::kDataset);
  if (const auto name = hub::parse_hub_name(input, hub::RepoKind::kModel)) {
    hub::check_revision(name->repo.revision);
    check_inside(name->repo.id);
    check_inside(name->repo.revision);
  }
}

}  // namespace falconer::fuzz
