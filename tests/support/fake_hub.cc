#include "support/fake_hub.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/certificate.h"

namespace falconer::test {
namespace {

std::string digest(const EVP_MD* kind, std::string_view text) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  FALCONER_CHECK(EVP_Digest(text.data(), text.size(), bytes, &size, kind, nullptr) == 1);
  std::string result;
  for (unsigned i = 0; i < size; ++i) result += fmt::format("{:02x}", bytes[i]);
  return result;
}

std::string unquoted(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      result += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string small_letters(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

std::string sha256_of(std::string_view content) { return digest(EVP_sha256(), content); }
std::string git_sha1_of(std::string_view content) {
  std::string blob = fmt::format("blob {}", content.size());
  blob.push_back('\0');
  return digest(EVP_sha1(), blob.append(content));
}

// A connection, plain or with TLS.
struct FakeHub::Connection {
  int socket = -1;
  SSL* tls = nullptr;
  std::string ahead;  // read and not used yet

  ~Connection() {
    SSL_free(tls);
    ::close(socket);
  }
  bool write(std::string_view data) {
    while (!data.empty()) {
      const ssize_t n = tls != nullptr ? SSL_write(tls, data.data(), static_cast<int>(data.size()))
                                       : ::send(socket, data.data(), data.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      data.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  bool read_more() {
    char block[4096];
    const ssize_t n = tls != nullptr ? SSL_read(tls, block, sizeof block)
                                     : ::recv(socket, block, sizeof block, 0);
    if (n <= 0) return false;
    ahead.append(block, static_cast<size_t>(n));
    return true;
  }
  std::optional<FakeRequest> read_request() {
    size_t end;
    while ((end = ahead.find("\r\n\r\n")) == std::string::npos)
      if (!read_more()) return {};
    FakeRequest request;
    const std::string head = ahead.substr(0, end + 2);
    ahead.erase(0, end + 4);
    const size_t first = head.find("\r\n");
    const std::string line = head.substr(0, first);
    request.method = line.substr(0, line.find(' '));
    std::string target = line.substr(request.method.size() + 1);
    target = target.substr(0, target.find(' '));
    request.query = contains(target, "?") ? target.substr(target.find('?') + 1) : "";
    request.target = unquoted(target.substr(0, target.find('?')));
    for (size_t at = first + 2; at < head.size();) {
      const size_t stop = head.find("\r\n", at), colon = head.find(": ", at);
      request.headers[small_letters(head.substr(at, colon - at))] =
          head.substr(colon + 2, stop - colon - 2);
      at = stop + 2;
    }
    return request;
  }
};

// A port of this machine, with a thread for each connection.
class FakeHub::Listener {
 public:
  Listener(FakeHub& hub, const char* address, bool store) : address_(address) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &name.sin_addr);
    socklen_t size = sizeof name;
    FALCONER_CHECK(::bind(socket_, reinterpret_cast<sockaddr*>(&name), size) == 0);
    FALCONER_CHECK(::listen(socket_, 64) == 0);
    FALCONER_CHECK(::getsockname(socket_, reinterpret_cast<sockaddr*>(&name), &size) == 0);
    port_ = ntohs(name.sin_port);
    accepting_ = std::thread([this, &hub, store] { accept(hub, store); });
  }
  ~Listener() {
    ::shutdown(socket_, SHUT_RDWR);
    accepting_.join();
    {
      const std::lock_guard<std::mutex> lock(guard_);
      for (const int open : open_) ::shutdown(open, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    ::close(socket_);
  }
  std::string origin(bool tls) const {
    return fmt::format("{}://{}:{}", tls ? "https" : "http", address_, port_);
  }

 private:
  void accept(FakeHub& hub, bool store) {
    for (int socket; (socket = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      const std::lock_guard<std::mutex> lock(guard_);
      open_.push_back(socket);
      threads_.emplace_back([this, &hub, socket, store] {
        sigset_t pipe;  // OpenSSL would end the test when a client is gone
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
        Connection connection{.socket = socket};
        if (hub.tls_ != nullptr) {
          connection.tls = SSL_new(static_cast<SSL_CTX*>(hub.tls_));
          SSL_set_fd(connection.tls, socket);
          if (SSL_accept(connection.tls) != 1) return forget(socket);
        }
        hub.serve(connection, store);
        forget(socket);
      });
    }
  }
  void forget(int socket) {
    const std::lock_guard<std::mutex> lock(guard_);
    std::erase(open_, socket);
  }

  std::string address_;
  int socket_ = -1;
  uint16_t port_ = 0;
  std::thread accepting_;
  std::mutex guard_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
};

FakeHub::FakeHub(const Options& options) : options_(options) {
  if (options.tls) {
    const Certificate made = make_certificate("127.0.0.1");
    certificate_ = made.text;
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, made.certificate.get());
    SSL_CTX_use_PrivateKey(context, made.key.get());
    tls_ = context;
  }
  hub_ = std::make_unique<Listener>(*this, "127.0.0.1", false);
  store_ = std::make_unique<Listener>(*this, "127.0.0.2", true);
}

FakeHub::~FakeHub() {
  hub_.reset();
  store_.reset();
  SSL_CTX_free(static_cast<SSL_CTX*>(tls_));
}

std::string FakeHub::endpoint() const { return hub_->origin(options_.tls); }
std::string FakeHub::store() const { return store_->origin(options_.tls); }
const std::string& FakeHub::certificate() const { return certificate_; }

FakeRepo& FakeHub::repo(const std::string& id, bool dataset) {
  return repos_[(dataset ? "datasets/" : "models/") + id];
}

std::string FakeHub::add(const std::string& id, std::map<std::string, FakeFile> files,
                         bool dataset) {
  const std::lock_guard<std::mutex> lock(guard_);
  FakeRepo& made = repo(id, dataset);
  std::string all = id;
  for (const auto& [path, file] : files) {
    all += path + file.content;
    if (file.large) stored_[file.hash()] = file;
  }
  const std::string commit = git_sha1_of(all);
  made.revisions["main"] = commit;
  made.commits[commit] = std::move(files);
  return commit;
}

void FakeHub::set_trouble(Trouble trouble) {
  const std::lock_guard<std::mutex> lock(guard_);
  trouble_ = std::move(trouble);
}

void FakeHub::set_gate(Gate gate, size_t piece) {
  const std::lock_guard<std::mutex> lock(guard_);
  gate_ = std::move(gate);
  piece_ = piece;
}

std::vector<FakeRequest> FakeHub::requests() const {
  const std::lock_guard<std::mutex> lock(guard_);
  return requests_;
}

size_t FakeHub::count(const std::string& part) const {
  const std::lock_guard<std::mutex> lock(guard_);
  return static_cast<size_t>(
      std::count_if(requests_.begin(), requests_.end(),
                    [&](const FakeRequest& request) { return contains(request.target, part); }));
}

uint64_t FakeHub::sent(const std::string& part) const {
  const std::lock_guard<std::mutex> lock(guard_);
  uint64_t bytes = 0;
  for (const auto& [target, count] : sent_)
    if (contains(target, part)) bytes += count;
  return bytes;
}

void FakeHub::serve(Connection& connection, bool store) {
  for (std::optional<FakeRequest> request; (request = connection.read_request());) {
    request->to_store = store;
    FakeReply reply;
    {
      const std::lock_guard<std::mutex> lock(guard_);
      requests_.push_back(*request);
      reply = answer(*request);
      if (trouble_) trouble_(*request, reply);
    }
    if (!send_reply(connection, *request, reply)) break;
  }
  ::shutdown(connection.socket, SHUT_RDWR);
}

bool FakeHub::send_reply(Connection& connection, const FakeRequest& request,
                         const FakeReply& reply) {
  std::string head = fmt::format("HTTP/1.1 {} Reply\r\n", reply.status);
  for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
  head += fmt::format("Content-Length: {}\r\n\r\n", reply.announced.value_or(reply.body.size()));
  if (!connection.write(head)) return false;
  if (request.method == "HEAD") return true;
  std::string_view body = reply.body;
  if (reply.cut) body = body.substr(0, *reply.cut);
  const size_t size = body.size();
  while (!body.empty()) {
    size_t piece = std::min(body.size(), piece_);
    const std::string range = request.header("range");
    const uint64_t begin =
        range.starts_with("bytes=") && reply.status == 206 ? std::stoull(range.substr(6)) : 0;
    if (gate_) piece = std::min(piece, gate_(request, begin + size - body.size(), piece));
    if (piece == 0 || !connection.write(body.substr(0, piece))) return false;
    {
      const std::lock_guard<std::mutex> lock(guard_);
      sent_[request.target] += piece;
    }
    body.remove_prefix(piece);
  }
  if (reply.silent)
    while (connection.read_more()) {
    }
  return !reply.cut && !reply.silent;
}

FakeReply FakeHub::refuse(int status, const std::string& code, const std::string& message) const {
  return {.status = status,
          .headers = {{"X-Error-Code", code}, {"X-Error-Message", message}},
          .body = "{\"error\":\"" + message + "\"}"};
}

// As the hub: who may not know that a repository is there is told that it is not.
std::optional<FakeReply> FakeHub::refused(const FakeRequest& request, const FakeRepo& repo) const {
  if (!repo.is_private && !repo.gated) return {};
  const std::string sent = request.header("authorization");
  if (!options_.token.empty() && sent == "Bearer " + options_.token) return {};
  if (repo.gated && !contains(request.target, "/api/"))
    return refuse(sent.empty() ? 401 : 403, "GatedRepo",
                  "Access to model is restricted. You must be authenticated to access it.");
  if (repo.gated) return {};
  return refuse(401, "RepoNotFound", "Repository not found");
}

FakeReply FakeHub::answer(const FakeRequest& request) {
  if (request.to_store) {
    const auto file = stored_.find(request.target.substr(1));
    if (file == stored_.end()) return {.status = 403, .headers = {}, .body = "<Error/>"};
    return send_file(request, file->second);
  }
  if (request.target.starts_with("/api/")) return list(request);
  return resolve(request);
}

// /api/models/org/name/revision/main
FakeReply FakeHub::list(const FakeRequest& request) {
  const size_t at = request.target.find("/revision/");
  const auto found = repos_.find(request.target.substr(5, at - 5));
  if (found == repos_.end()) return refuse(401, "RepoNotFound", "Repository not found");
  if (auto reply = refused(request, found->second)) return *reply;
  const std::string revision = request.target.substr(at + 10);
  const auto named = found->second.revisions.find(revision);
  const std::string commit = named != found->second.revisions.end() ? named->second : revision;
  const auto files = found->second.commits.find(commit);
  if (files == found->second.commits.end())
    return refuse(404, "RevisionNotFound", "Invalid rev id: " + revision);
  nlohmann::ordered_json json = {{"sha", commit}};
  json["siblings"] = nlohmann::ordered_json::array();
  for (const auto& [path, file] : files->second) {
    nlohmann::ordered_json entry = {{"rfilename", path}};
    if (options_.lists_hashes && contains(request.query, "blobs=true")) {
      entry["size"] = file.content.size();
      entry["blobId"] = git_sha1_of(file.content);
      if (file.large)
        entry["lfs"] = {
            {"size", file.content.size()}, {"sha256", file.hash()}, {"pointerSize", 134}};
    }
    json["siblings"].push_back(entry);
  }
  return {.headers = {{"Content-Type", "application/json"}}, .body = json.dump()};
}

// /org/name/resolve/<commit>/<file>
FakeReply FakeHub::resolve(const FakeRequest& request) {
  const size_t at = request.target.find("/resolve/");
  if (at == std::string::npos) return refuse(404, "", "no such page");
  std::string id = request.target.substr(1, at - 1);
  if (!id.starts_with("datasets/")) id = "models/" + id;
  const auto found = repos_.find(id);
  if (found == repos_.end()) return refuse(401, "RepoNotFound", "Repository not found");
  if (auto reply = refused(request, found->second)) return *reply;
  const size_t slash = request.target.find('/', at + 9);
  std::string commit = request.target.substr(at + 9, slash - at - 9);
  if (const auto named = found->second.revisions.find(commit);
      named != found->second.revisions.end())
    commit = named->second;
  const auto files = found->second.commits.find(commit);
  if (files == found->second.commits.end())
    return refuse(404, "RevisionNotFound", "Invalid rev id: " + commit);
  const auto file = files->second.find(request.target.substr(slash + 1));
  if (file == files->second.end()) return refuse(404, "EntryNotFound", "Entry not found");
  FakeReply reply;
  if (file->second.large) {
    reply = {.status = 302,
             .headers = {{"Location", store() + "/" + file->second.hash()},
                         {"X-Linked-Size", std::to_string(file->second.content.size())},
                         {"X-Linked-Etag", "\"" + file->second.hash() + "\""}}};
  } else {
    reply = send_file(request, file->second);
    reply.headers["ETag"] = "\"" + file->second.hash() + "\"";
  }
  reply.headers["X-Repo-Commit"] = commit;
  return reply;
}

FakeReply FakeHub::send_file(const FakeRequest& request, const FakeFile& file) {
  const std::string range = request.header("range");
  if (!options_.knows_ranges || !range.starts_with("bytes=")) return {.body = file.content};
  const uint64_t begin = std::stoull(range.substr(6));
  if (begin >= file.content.size())
    return {.status = 416,
            .headers = {{"Content-Range", fmt::format("bytes */{}", file.content.size())}}};
  return {.status = 206,
          .headers = {{"Content-Range", fmt::format("bytes {}-{}/{}", begin,
                                                    file.content.size() - 1, file.content.size())}},
          .body = file.content.substr(begin)};
}

}  // namespace falconer::test
