#include "serve/keys.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/small_letters.h"
#include "base/trim.h"

namespace falconer::serve {
namespace {

constexpr size_t kLongestFile = size_t{1} << 20;

std::string digest_of(std::string_view key) {
  Digest digest = Digest::sha256();
  digest.update(key);
  return digest.finish();
}

}  // namespace

ApiKeys::ApiKeys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) digests_.push_back(digest_of(key));
}

ApiKeys ApiKeys::read(const std::string& path) {
  const std::string text = read_text_file(path, kLongestFile);
  using std::filesystem::perms;
  std::error_code ignored;
  const perms allowed = std::filesystem::status(path, ignored).permissions();
  if ((allowed & perms::others_read) != perms::none)
    log_warning("{}: everybody on this machine may read the keys; chmod 600 changes that", path);
  std::vector<std::string> keys;
  for (size_t at = 0, line = 1; at < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string key(trimmed(std::string_view(text).substr(at, end - at)));
    at = end + 1;
    if (key.empty() || key.starts_with('#')) continue;
    if (!std::all_of(key.begin(), key.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; }))
      fail("{}: line {} is no key: expected printable ASCII without blanks", path, line);
    keys.push_back(key);
  }
  if (keys.empty())
    fail("{}: has no key; write one in a line, such as openssl rand -hex 24 gives", path);
  return ApiKeys(keys);
}

std::optional<size_t> ApiKeys::find(std::string_view authorization) const {
  constexpr std::string_view kBearer = "bearer ";
  if (small_letters(authorization.substr(0, kBearer.size())) != kBearer) return {};
  const std::string digest = digest_of(trimmed(authorization.substr(kBearer.size())));
  std::optional<size_t> found;
  for (size_t i = 0; i < digests_.size(); ++i)
    if (CRYPTO_memcmp(digests_[i].data(), digest.data(), digest.size()) == 0) found = i;
  return found;
}

}  // namespace falconer::serve
