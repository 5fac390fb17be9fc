#include "base/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/error.h"

namespace falconer {
namespace {

EVP_MD_CTX* context_of(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

void Digest::Free::operator()(void* context) const { EVP_MD_CTX_free(context_of(context)); }

std::optional<Digest> Digest::of(const void* algorithm) {
  Digest digest(EVP_MD_CTX_new());
  void* const context = digest.context_.get();
  FALCONER_CHECK(context != nullptr);
  if (EVP_DigestInit_ex(context_of(context), static_cast<const EVP_MD*>(algorithm), nullptr) != 1)
    return {};
  return digest;
}

Digest Digest::sha256() {
  std::optional<Digest> digest = of(EVP_sha256());
  FALCONER_CHECK(digest.has_value());
  return std::move(*digest);
}

std::optional<Digest> Digest::sha1() { return of(EVP_sha1()); }

void Digest::update(const void* data, size_t size) {
  FALCONER_CHECK(EVP_DigestUpdate(context_of(context_.get()), data, size) == 1);
}

std::string Digest::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  FALCONER_CHECK(EVP_DigestFinal_ex(context_of(context_.get()), digest, &size) == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace falconer
