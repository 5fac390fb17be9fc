#include "hub/listing.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/json_number.h"
#include "base/json_text.h"
#include "hub/address.h"

namespace falconer::hub {
namespace {

constexpr uint64_t kLargestFile = uint64_t{1} << 50;

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::optional<uint64_t> size_of(const nlohmann::json& object, const std::string& host) {
  return JsonFields(object, host + ": of its list of files, an entry").unsigned_whole("size");
}

void check_size(const RemoteFile& file, const std::string& host) {
  if (file.size && *file.size > kLargestFile)
    fail("{}: says that {} has {} bytes, which no file has", host, printable(file.path),
         *file.size);
}

RemoteFile read_file(const nlohmann::json& entry, const std::string& host) {
  RemoteFile file{.path = text_of(entry, "rfilename"), .etag = {}, .size = size_of(entry, host)};
  check_file_path(file.path);
  file.etag = text_of(entry, "blobId");
  const auto large = entry.find("lfs");
  if (large != entry.end() && large->is_object()) {
    file.etag = text_of(*large, "sha256");
    if (file.etag.empty()) file.etag = text_of(*large, "oid");
    file.size = size_of(*large, host);
  }
  if (!is_plain_etag(file.etag)) file.etag.clear();
  check_size(file, host);
  return file;
}

std::optional<uint64_t> parse_size(const std::string& text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
    return {};
  return std::strtoull(text.c_str(), nullptr, 10);
}

}  // namespace

Listing parse_listing(const std::string& json, const std::string& host) {
  const auto object = parse_json(json);
  Listing listing;
  const bool is_list = object.is_object() && object.contains("siblings") &&
                       object["siblings"].is_array() && is_commit(text_of(object, "sha"));
  if (!is_list)
    fail(
        "{}: does not answer as a model hub does; check HF_ENDPOINT, and whether a proxy asks for "
        "a login",
        host);
  listing.commit = text_of(object, "sha");
  for (const auto& entry : object["siblings"]) {
    if (!entry.is_object()) fail("{}: its list of files is not one", host);
    listing.files.push_back(read_file(entry, host));
  }
  const auto path = [](const RemoteFile& file) { return file.path; };
  std::ranges::sort(listing.files, {}, path);
  const auto twice = std::ranges::adjacent_find(listing.files, {}, path);
  if (twice != listing.files.end())
    fail("{}: lists the file {} twice", host, printable(twice->path));
  return listing;
}

Listing list_files(HttpClient& client, Retry& retry, const Settings& settings, const Repo& repo) {
  const std::string url =
      fmt::format("{}/api/{}s/{}/revision/{}?blobs=true", settings.endpoint, repo.kind_name(),
                  url_quote(repo.id, true), url_quote(repo.revision, false));
  const HttpReply reply = send_until_answered(client, retry, {.url = url});
  if (!reply.ok()) fail_status(reply, repo, "", settings);
  return parse_listing(reply.body, origin_of(url));
}

std::string file_url(const Settings& settings, const Repo& repo, const std::string& commit,
                     const std::string& path) {
  return fmt::format("{}/{}{}/resolve/{}/{}", settings.endpoint,
                     repo.kind == RepoKind::kDataset ? "datasets/" : "", url_quote(repo.id, true),
                     commit, url_quote(path, true));
}

void take_facts(const HttpReply& reply, const std::string& host, RemoteFile& file) {
  const std::string linked = reply.hub_header("x-linked-etag");
  file.etag = plain_etag(linked.empty() ? reply.hub_header("etag") : linked);
  file.size = parse_size(reply.hub_header("x-linked-size"));
  if (!file.size && reply.ok()) file.size = parse_size(reply.header("content-length"));
  if (!is_plain_etag(file.etag) || !file.size)
    fail("{}: names neither hash nor size of {}, and so it cannot be checked; check HF_ENDPOINT",
         host, printable(file.path));
  check_size(file, host);
}

void complete(HttpClient& client, Retry& retry, const Settings& settings, const Repo& repo,
              const std::string& commit, RemoteFile& file) {
  if (!file.etag.empty() && file.size) return;
  const std::string url = file_url(settings, repo, commit, file.path);
  const HttpReply reply = send_until_answered(client, retry, {.url = url, .head = true});
  if (reply.status >= 400) fail_status(reply, repo, file.path, settings);
  take_facts(reply, origin_of(url), file);
}

}  // namespace falconer::hub
