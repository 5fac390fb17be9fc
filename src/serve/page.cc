#include "serve/page.h"

#include <openssl/evp.h>

#include <array>

#include "base/digest.h"
#include "base/error.h"

namespace falconer::serve {
namespace {

// 'sha256-...' of the element's text, in base64 as browsers want it.
std::string hash_of(std::string_view element) {
  const std::string_view page = page_html();
  const std::string opening = fmt::format("<{}>", element), closing = fmt::format("</{}>", element);
  const size_t begin = page.find(opening) + opening.size(), end = page.find(closing);
  FALCONER_CHECK(begin < end && end < page.size());
  Digest digest = Digest::sha256();
  digest.update(page.substr(begin, end - begin));
  const std::string digits = digest.finish();
  std::array<unsigned char, 32> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<unsigned char>(std::stoi(digits.substr(2 * i, 2), nullptr, 16));
  std::array<unsigned char, 64> text{};
  const int length = EVP_EncodeBlock(text.data(), bytes.data(), bytes.size());
  return fmt::format("'sha256-{}'",
                     std::string(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length)));
}

}  // namespace

std::string page_policy() {
  static const std::string policy = fmt::format(
      "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src 'self'; "
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      hash_of("script"), hash_of("style"));
  return policy;
}

}  // namespace falconer::serve
