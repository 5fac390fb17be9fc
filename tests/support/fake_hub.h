// A server that behaves like a model hub, on this machine: repositories with revisions, hashes,
// ranges, large files on another host, and every trouble that a real one makes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace falconer::test {

/// SHA-256 as the hub has it for large files; git's SHA-1 of a blob for the others.
std::string sha256_of(std::string_view content);
std::string git_sha1_of(std::string_view content);

/// What was asked.
struct FakeRequest {
  std::string method, target;                  // target without what is behind '?'
  std::string query;                           // what is behind '?'
  std::map<std::string, std::string> headers;  // names in small letters
  bool to_store = false;                       // to the host with the large files
  std::string header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? std::string() : it->second;
  }
};

/// What is answered.
struct FakeReply {
  int status = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  std::optional<uint64_t> announced;  // Content-Length, where it is not the body's
  std::optional<uint64_t> cut;        // the connection ends behind so many bytes of the body
  bool silent = false;                // nothing more comes, and the connection stays open
};

struct FakeFile {
  std::string content;
  bool large = false;  // in Git LFS: named by SHA-256, and sent by the other host
  std::string hash() const { return large ? sha256_of(content) : git_sha1_of(content); }
};

struct FakeRepo {
  std::map<std::string, std::string> revisions;                    // name to commit
  std::map<std::string, std::map<std::string, FakeFile>> commits;  // commit to files
  bool gated = false, is_private = false;
};

class FakeHub {
 public:
  struct Options {
    bool tls = false;
    bool lists_hashes = true;  // false: as a mirror that knows no "?blobs=true"
    bool knows_ranges = true;
    std::string token;  // what opens gated and private repositories
  };
  explicit FakeHub(const Options& options);
  FakeHub() : FakeHub(Options{}) {}
  ~FakeHub();

  /// Adds "org/name" with a revision "main"; returns the commit. `dataset` as on the hub apart.
  std::string add(const std::string& id, std::map<std::string, FakeFile> files,
                  bool dataset = false);
  FakeRepo& repo(const std::string& id, bool dataset = false);

  std::string endpoint() const;
  /// The host that large files are redirected to.
  std::string store() const;
  /// Of a server with TLS: its certificate, which nobody vouches for.
  const std::string& certificate() const;

  /// Asked about each request before it is answered as a hub would; may change the answer.
  using Trouble = std::function<void(const FakeRequest&, FakeReply&)>;
  void set_trouble(Trouble trouble);
  /// Called before each piece of a body is sent, with the target, the first byte's place in the
  /// file, and the size; returns how much of it may be sent, 0 to end the connection.
  using Gate = std::function<size_t(const FakeRequest&, uint64_t at, size_t size)>;
  void set_gate(Gate gate, size_t piece = 1 << 16);

  std::vector<FakeRequest> requests() const;
  /// Requests whose target contains `part`.
  size_t count(const std::string& part) const;
  /// Bytes of bodies that were sent, of targets that contain `part`.
  uint64_t sent(const std::string& part) const;

 private:
  class Listener;
  struct Connection;
  void serve(Connection& connection, bool store);
  FakeReply answer(const FakeRequest& request);
  FakeReply list(const FakeRequest& request);
  FakeReply resolve(const FakeRequest& request);
  FakeReply send_file(const FakeRequest& request, const FakeFile& file);
  bool send_reply(Connection& connection, const FakeRequest& request, const FakeReply& reply);
  FakeReply refuse(int status, const std::string& code, const std::string& message) const;
  std::optional<FakeReply> refused(const FakeRequest& request, const FakeRepo& repo) const;

  Options options_;
  mutable std::mutex guard_;
  std::map<std::string, FakeRepo> repos_;  // "models/org/name"
  std::map<std::string, FakeFile> stored_;
  Trouble trouble_;
  Gate gate_;
  size_t piece_ = 1 << 16;
  std::vector<FakeRequest> requests_;
  std::map<std::string, uint64_t> sent_;
  std::string certificate_;
  void* tls_ = nullptr;
  std::unique_ptr<Listener> hub_, store_;
};

}  // namespace falconer::test
