#include "hub/settings.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/trim.h"

namespace falconer::hub {
namespace fs = std::filesystem;
namespace {

// The first of the variables that is set to something.
std::string environment(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  return {};
}

bool is_true(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

fs::path home() {
  const std::string home = environment({"HOME"});
  if (home.empty())
    fail("HOME is not set, and so there is no place for the cache; set HF_HOME to a folder");
  return home;
}

fs::path expanded(const std::string& path) {
  if (path == "~") return home();
  if (path.starts_with("~/")) return home() / path.substr(2);
  return path;
}

fs::path hf_home() {
  if (const std::string set = environment({"HF_HOME"}); !set.empty()) return expanded(set);
  const std::string cache = environment({"XDG_CACHE_HOME"});
  return (cache.empty() ? home() / ".cache" : expanded(cache)) / "huggingface";
}

std::string find_token() {
  std::string from = "HF_TOKEN";
  std::string token(trimmed(environment({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})));
  if (token.empty()) {
    const std::string set = environment({"HF_TOKEN_PATH"});
    const fs::path path = set.empty() ? hf_home() / "token" : expanded(set);
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) return {};
    from = path.string();
    token = trimmed(read_text_file(path, 1 << 16));
  }
  // It goes into a header, where a line's end would begin another.
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; }))
    fail("{}: is not a token: it holds spaces or control characters; set it anew", from);
  return token;
}

double seconds(const char* name, double otherwise) {
  const std::string text = environment({name});
  if (text.empty()) return otherwise;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (*end != '\0' || !(value > 0 && value < 1e6))
    fail("{} is \"{}\", expected a number of seconds", name, printable(text));
  return value;
}

std::string find_endpoint(const std::string& otherwise) {
  std::string endpoint = environment({"HF_ENDPOINT"});
  if (endpoint.empty()) return otherwise;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (endpoint.starts_with("https://") || endpoint.starts_with("http://")) return endpoint;
  fail("HF_ENDPOINT is \"{}\", expected an address such as {}", printable(endpoint), otherwise);
}

}  // namespace

Settings Settings::from_environment() {
  Settings s;
  s.endpoint = find_endpoint(s.endpoint);
  const std::string cache = environment({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  s.cache = cache.empty() ? hf_home() / "hub" : expanded(cache);
  s.token = find_token();
  s.offline = is_true(environment({"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}));
  s.progress = !is_true(environment({"HF_HUB_DISABLE_PROGRESS_BARS"}));
  s.ca_file = environment({"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"});
  s.ca_folder = environment({"SSL_CERT_DIR"});
  s.connect_seconds = seconds("HF_HUB_ETAG_TIMEOUT", s.connect_seconds);
  s.stall_seconds = seconds("HF_HUB_DOWNLOAD_TIMEOUT", s.stall_seconds);
  return s;
}

}  // namespace falconer::hub
