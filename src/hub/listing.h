// What is in a repository at a revision, with the size and the hash of each file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hub/retry.h"

namespace falconer::hub {

struct RemoteFile {
  std::string path;  // in the repository, checked
  std::string etag;  // its hash, which names its blob; empty where the list does not say
  std::optional<uint64_t> size;  // likewise
};

struct Listing {
  std::string commit;
  std::vector<RemoteFile> files;  // sorted by path
};

/// From the hub's answer. Errors: it is none (another server's page, say), a name that is refused.
Listing parse_listing(const std::string& json, const std::string& host);

/// Asks the hub. Errors: those of the network and of `fail_status`.
Listing list_files(HttpClient& client, Retry& retry, const Settings& settings, const Repo& repo);

/// Where a file of a commit is.
std::string file_url(const Settings& settings, const Repo& repo, const std::string& commit,
                     const std::string& path);

/// Hash and size as an answer's headers have them. Error: one of them is missing, or cannot be.
void take_facts(const HttpReply& reply, const std::string& host, RemoteFile& file);

/// Asks for the hash and the size where the list did not say them, as some mirrors' lists do not.
void complete(HttpClient& client, Retry& retry, const Settings& settings, const Repo& repo,
              const std::string& commit, RemoteFile& file);

}  // namespace falconer::hub
