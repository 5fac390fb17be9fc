// Addresses: who is asked, and where a redirect leads.
#pragma once

#include <string>

namespace falconer::hub {

/// "https://host" or "https://host:port"; the port only where it is not the scheme's own. Two
/// addresses with the same origin are the same host to a token. Error: no address of http or https.
std::string origin_of(const std::string& url);

/// Where `location`, which may be relative, leads from `url`. Errors: no address of http or https,
/// or from https to http.
std::string redirected(const std::string& url, const std::string& location);

}  // namespace falconer::hub
