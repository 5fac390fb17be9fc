#include "hub/http.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/no_broken_pipe.h"
#include "base/small_letters.h"
#include "base/trim.h"
#include "hub/address.h"
#include "hub/curl_library.h"

namespace falconer::hub {
namespace {

constexpr int kMostRedirects = 10;
constexpr size_t kMostHeaders = 500, kLongestHeader = 1 << 16;
constexpr size_t kErrorBodyBytes = 1 << 14, kBodyBytes = 1 << 26;
constexpr long kReceiveBytes = 1 << 18;  // what a read from the network takes at most

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

NetworkProblem problem_of(int code, bool connected) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
      return NetworkProblem::kProxy;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return NetworkProblem::kUnreachable;
    case CURLE_OPERATION_TIMEDOUT:
      return connected ? NetworkProblem::kTimedOut : NetworkProblem::kUnreachable;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
      return NetworkProblem::kTls;
    default:
      return NetworkProblem::kDropped;
  }
}

const char* next_step(NetworkProblem problem) {
  switch (problem) {
    case NetworkProblem::kUnreachable:
      return "It cannot be reached: check the network; HTTPS_PROXY names a proxy, HF_ENDPOINT "
             "another hub, and with HF_HUB_OFFLINE=1 only the cache is used";
    case NetworkProblem::kProxy:
      return "Check the proxy in HTTPS_PROXY or ALL_PROXY; hosts in NO_PROXY are asked without it";
    case NetworkProblem::kTls:
      return "There is no secure connection: where a proxy or a mirror has a certificate of its "
             "own, name its file in SSL_CERT_FILE; else see that the package ca-certificates is "
             "installed and that the clock is right";
    case NetworkProblem::kDropped:
      return "The connection broke off: run the same command again, which goes on where it stopped";
    case NetworkProblem::kTimedOut:
      return "Nothing came for too long: run the same command again, which goes on where it "
             "stopped; HF_HUB_DOWNLOAD_TIMEOUT sets the seconds that are waited";
  }
  return "";
}

}  // namespace

bool collect_header(std::string_view line, HttpReply& reply) {
  if (line.starts_with("HTTP/")) reply.headers.clear();  // what came before was no answer yet
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  if (reply.headers.size() >= kMostHeaders || line.size() > kLongestHeader) return false;
  reply.headers[small_letters(trimmed(line.substr(0, colon)))] = trimmed(line.substr(colon + 1));
  return true;
}

// What the callbacks of one request to one host work on.
struct HttpClient::Hop {
  HttpClient& client;
  const OnBody& on_body;
  HttpReply reply;
  std::exception_ptr thrown;
  curl_slist* sent_headers = nullptr;

  ~Hop() { CurlLibrary::get().slist_free_all(sent_headers); }

  void read_status() {
    long status = 0;
    CurlLibrary::get().easy_getinfo(client.handle_, CURLINFO_RESPONSE_CODE, &status);
    reply.status = static_cast<int>(status);
    if (reply.from_hub)
      for (const auto& [name, value] : reply.headers) reply.hub_headers[name] = value;
  }

  void collect(std::string_view piece) {
    std::string& body = reply.body;
    if (!reply.ok()) {
      body += piece.substr(0, kErrorBodyBytes - std::min(kErrorBodyBytes, body.size()));
    } else {
      if (body.size() + piece.size() > kBodyBytes)
        fail(
            "{}: answers with more than {} MiB where a list of files was expected; check "
            "HF_ENDPOINT",
            origin_of(reply.url), kBodyBytes >> 20);
      body += piece;
    }
  }

  static size_t on_header(char* data, size_t size, size_t count, void* self) {
    Hop& hop = *static_cast<Hop*>(self);
    const std::string_view line(data, size * count);
    return collect_header(line, hop.reply) ? line.size() : 0;
  }

  static size_t on_data(char* data, size_t size, size_t count, void* self) {
    Hop& hop = *static_cast<Hop*>(self);
    const std::string_view piece(data, size * count);
    if (hop.reply.status == 0) hop.read_status();
    try {
      if (hop.client.cancelled_ && hop.client.cancelled_()) throw Cancelled();
      if (hop.reply.ok() && hop.on_body)
        hop.on_body(hop.reply, piece);
      else
        hop.collect(piece);
    } catch (...) {  // may not pass through libcurl, which is C
      hop.thrown = std::current_exception();
      return 0;
    }
    return piece.size();
  }

  static int on_tick(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const Hop& hop = *static_cast<const Hop*>(self);
    return hop.client.cancelled_ && hop.client.cancelled_() ? 1 : 0;
  }
};

HttpClient::HttpClient(const Settings& settings, std::function<bool()> cancelled)
    : settings_(settings), cancelled_(std::move(cancelled)) {
  handle_ = CurlLibrary::get().easy_init();
  if (handle_ == nullptr) fail("libcurl cannot be started");
}

HttpClient::~HttpClient() { CurlLibrary::get().easy_cleanup(handle_); }

bool HttpClient::is_hub(const std::string& url) const {
  return origin_of(url) == origin_of(settings_.endpoint);
}

void HttpClient::set_options(const Request& request, const std::string& url, Hop& hop) {
  const CurlLibrary& curl = CurlLibrary::get();
  const auto set = [&](CURLoption option, auto value) {
    if (curl.easy_setopt(handle_, option, value) != CURLE_OK)
      fail("libcurl {} does not know option {}; install version 7.62 or later",
           curl.version_info(CURLVERSION_NOW)->version, static_cast<int>(option));
  };
  curl.easy_reset(handle_);  // the connection stays
  detail_.assign(CURL_ERROR_SIZE, '\0');
  set(CURLOPT_ERRORBUFFER, detail_.data());
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, "falconer/0.1.0");
  // Refused while a buffer is left over from a request that failed; that one will do.
  curl.easy_setopt(handle_, CURLOPT_BUFFERSIZE, kReceiveBytes);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, std::lround(settings_.connect_seconds * 1000));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, std::lround(std::ceil(settings_.stall_seconds)));
  set(CURLOPT_HEADERFUNCTION, &Hop::on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&hop));
  set(CURLOPT_WRITEFUNCTION, &Hop::on_data);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&hop));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &Hop::on_tick);
  set(CURLOPT_XFERINFODATA, static_cast<void*>(&hop));
  if (request.head) set(CURLOPT_NOBODY, 1L);
  if (!settings_.ca_file.empty()) set(CURLOPT_CAINFO, settings_.ca_file.c_str());
  if (!settings_.ca_folder.empty()) set(CURLOPT_CAPATH, settings_.ca_folder.c_str());
  const std::string range = fmt::format("{}-", request.offset);
  if (request.offset > 0) set(CURLOPT_RANGE, range.c_str());
  if (hop.reply.from_hub && !settings_.token.empty()) {
    hop.sent_headers =
        curl.slist_append(nullptr, ("Authorization: Bearer " + settings_.token).c_str());
    set(CURLOPT_HTTPHEADER, hop.sent_headers);
  }
}

void HttpClient::fail_network(int code, const std::string& url) {
  const CurlLibrary& curl = CurlLibrary::get();
  double connected = 0;
  long proxy_status = 0;
  curl.easy_getinfo(handle_, CURLINFO_CONNECT_TIME, &connected);
  curl.easy_getinfo(handle_, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
  const NetworkProblem problem =
      proxy_status >= 300 ? NetworkProblem::kProxy : problem_of(code, connected > 0);
  // A handshake that broke off may succeed the next time; a certificate that is wrong stays wrong.
  const bool passing = problem != NetworkProblem::kProxy &&
                       (problem != NetworkProblem::kTls || code == CURLE_SSL_CONNECT_ERROR);
  const char* said =
      detail_[0] != '\0' ? detail_.c_str() : curl.easy_strerror(static_cast<CURLcode>(code));
  throw NetworkError(problem, passing, fmt::format("{}: {}", origin_of(url), printable(said)),
                     next_step(problem));
}

HttpReply HttpClient::ask(const Request& request, const std::string& url, const OnBody& on_body,
                          const HttpReply::Headers& hub_headers) {
  const NoBrokenPipe guard;
  Hop hop{.client = *this, .on_body = on_body, .reply = {}, .thrown = {}};
  hop.reply.url = url;
  hop.reply.hub_headers = hub_headers;
  hop.reply.from_hub = is_hub(url);
  set_options(request, url, hop);
  const CURLcode code = CurlLibrary::get().easy_perform(handle_);
  if (hop.thrown) std::rethrow_exception(hop.thrown);
  if (code == CURLE_ABORTED_BY_CALLBACK) throw Cancelled();
  if (code != CURLE_OK) fail_network(code, url);
  hop.read_status();
  return std::move(hop.reply);
}

HttpReply HttpClient::send(const Request& request, const OnBody& on_body) {
  HttpReply::Headers hub_headers;
  std::string url = request.url;
  for (int hops = 0; hops < kMostRedirects; ++hops) {
    HttpReply reply = ask(request, url, on_body, hub_headers);
    hub_headers = reply.hub_headers;
    if (!is_redirect(reply.status)) return reply;
    const std::string next = redirected(url, reply.header("location"));
    if (request.head && !is_hub(next)) return reply;
    url = next;
  }
  fail("{}: sends us on more than {} times; check HF_ENDPOINT", origin_of(request.url),
       kMostRedirects);
}

}  // namespace falconer::hub
