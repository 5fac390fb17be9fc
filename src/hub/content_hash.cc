#include "hub/content_hash.h"

#include "base/error.h"

namespace falconer::hub {
namespace {

bool is_hexadecimal(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::optional<ContentHash> ContentHash::like(std::string_view etag, uint64_t size) {
  if (!is_hexadecimal(etag) || (etag.size() != 64 && etag.size() != 40)) return {};
  if (etag.size() == 64) return ContentHash("SHA-256", Digest::sha256());
  std::optional<Digest> sha1 = Digest::sha1();
  // A system that allows no SHA-1 cannot check small files, and must not pass them as checked.
  if (!sha1)
    fail("OpenSSL on this system refuses git's SHA-1, which the hub's files are checked with");
  const std::string header = fmt::format("blob {}", size);
  sha1->update(header.c_str(), header.size() + 1);  // with the 0 at its end
  return ContentHash("git's SHA-1", std::move(*sha1));
}

}  // namespace falconer::hub
