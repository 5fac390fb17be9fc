#include "hub/content_hash.h"

#include <openssl/evp.h>

#include "base/error.h"

namespace falconer::hub {
namespace {

EVP_MD_CTX* context_of(void* context) { return static_cast<EVP_MD_CTX*>(context); }

bool is_hexadecimal(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

void ContentHash::Free::operator()(void* context) const { EVP_MD_CTX_free(context_of(context)); }

std::optional<ContentHash> ContentHash::like(std::string_view etag, uint64_t size) {
  if (!is_hexadecimal(etag) || (etag.size() != 64 && etag.size() != 40)) return {};
  const bool large = etag.size() == 64;
  ContentHash hash(large ? "SHA-256" : "git's SHA-1");
  hash.context_.reset(EVP_MD_CTX_new());
  FALCONER_CHECK(hash.context_ != nullptr);
  // A system that allows no SHA-1 cannot check small files, and must not pass them as checked.
  if (EVP_DigestInit_ex(context_of(hash.context_.get()), large ? EVP_sha256() : EVP_sha1(),
                        nullptr) != 1)
    fail("OpenSSL on this system refuses {}, which the hub's files are checked with", hash.name_);
  if (!large) {
    const std::string header = fmt::format("blob {}", size);
    hash.update(header.c_str(), header.size() + 1);  // with the 0 at its end
  }
  return hash;
}

void ContentHash::update(const void* data, size_t size) {
  FALCONER_CHECK(EVP_DigestUpdate(context_of(context_.get()), data, size) == 1);
}

std::string ContentHash::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  FALCONER_CHECK(EVP_DigestFinal_ex(context_of(context_.get()), digest, &size) == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace falconer::hub
