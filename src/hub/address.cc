#include "hub/address.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/small_letters.h"
#include "hub/curl_library.h"

namespace falconer::hub {
namespace {

class Address {
 public:
  explicit Address(const std::string& url) {
    if (!set(url)) fail("\"{}\" is no address of http or https", printable(url));
  }
  Address(const Address&) = delete;
  Address& operator=(const Address&) = delete;
  ~Address() { curl_.url_cleanup(handle_); }

  bool set(const std::string& url) {
    if (curl_.url_set(handle_, CURLUPART_URL, url.c_str(), CURLU_URLENCODE) != CURLUE_OK)
      return false;
    const std::string scheme = part(CURLUPART_SCHEME);
    return scheme == "http" || scheme == "https";
  }
  std::string part(CURLUPart which, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_.url_get(handle_, which, &text, flags) != CURLUE_OK || text == nullptr) return {};
    std::string copy = text;
    curl_.free(text);
    return copy;
  }

 private:
  const CurlLibrary& curl_ = CurlLibrary::get();
  CURLU* handle_ = curl_.url();
};

}  // namespace

std::string origin_of(const std::string& url) {
  const Address address(url);
  const std::string origin =
      small_letters(address.part(CURLUPART_SCHEME) + "://" + address.part(CURLUPART_HOST));
  const std::string port = address.part(CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  return port.empty() ? origin : origin + ":" + port;
}

std::string redirected(const std::string& url, const std::string& location) {
  Address address(url);
  const std::string before = address.part(CURLUPART_SCHEME);
  if (!address.set(location))
    fail("{}: sends us on to \"{}\", which is no address of http or https", origin_of(url),
         printable(location));
  if (before == "https" && address.part(CURLUPART_SCHEME) == "http")
    fail("{}: sends us on from https to http, to {}, which is not followed", origin_of(url),
         printable(location));
  return address.part(CURLUPART_URL);
}

}  // namespace falconer::hub
