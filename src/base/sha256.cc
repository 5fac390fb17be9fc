#include "base/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/error.h"

namespace falconer {
namespace {

EVP_MD_CTX* context_of(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(context_of(context)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  FALCONER_CHECK(context_ != nullptr);
  FALCONER_CHECK(EVP_DigestInit_ex(context_of(context_.get()), EVP_sha256(), nullptr) == 1);
}

void Sha256::update(const void* data, size_t size) {
  FALCONER_CHECK(EVP_DigestUpdate(context_of(context_.get()), data, size) == 1);
}

std::string Sha256::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  FALCONER_CHECK(EVP_DigestFinal_ex(context_of(context_.get()), digest, &size) == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string Sha256::of(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.finish();
}

}  // namespace falconer
