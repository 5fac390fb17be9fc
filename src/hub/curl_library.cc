#include "hub/curl_library.h"

#include <dlfcn.h>

#include "base/error.h"

namespace falconer::hub {
namespace {

// libcurl takes its own libraries before those that are loaded already: a packaged program brings a libcrypto,
// and where libcurl's is newer, the two must not be mixed. Sanitizers refuse this.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kOwnLibrariesFirst = 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr int kOwnLibrariesFirst = 0;
#else
constexpr int kOwnLibrariesFirst = RTLD_DEEPBIND;
#endif
#else
constexpr int kOwnLibrariesFirst = RTLD_DEEPBIND;
#endif

void* open_library() {
  // Any flavour will do; git brings the one with GnuTLS.
  for (const char* name : {"libcurl.so.4", "libcurl-gnutls.so.4"})
    if (void* library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL | kOwnLibrariesFirst)) return library;
  fail(
      "libcurl, which downloads need, cannot be loaded ({}); install it with apt-get install "
      "libcurl4",
      ::dlerror());
}

template <class Function>
void find(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) fail("libcurl has no {}; install version 7.62 or later", name);
}

CurlLibrary load() {
  void* const library = open_library();
  CurlLibrary curl{};
  find(library, curl.global_init, "curl_global_init");
  find(library, curl.version_info, "curl_version_info");
  find(library, curl.easy_init, "curl_easy_init");
  find(library, curl.easy_reset, "curl_easy_reset");
  find(library, curl.easy_setopt, "curl_easy_setopt");
  find(library, curl.easy_perform, "curl_easy_perform");
  find(library, curl.easy_getinfo, "curl_easy_getinfo");
  find(library, curl.easy_cleanup, "curl_easy_cleanup");
  find(library, curl.easy_strerror, "curl_easy_strerror");
  find(library, curl.slist_append, "curl_slist_append");
  find(library, curl.slist_free_all, "curl_slist_free_all");
  find(library, curl.url, "curl_url");
  find(library, curl.url_set, "curl_url_set");
  find(library, curl.url_get, "curl_url_get");
  find(library, curl.url_cleanup, "curl_url_cleanup");
  find(library, curl.free, "curl_free");
  if (curl.global_init(CURL_GLOBAL_ALL) != CURLE_OK) fail("libcurl cannot be started");
  return curl;
}

}  // namespace

const CurlLibrary& CurlLibrary::get() {
  static const CurlLibrary library = load();
  return library;
}

}  // namespace falconer::hub
