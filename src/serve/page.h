// The page at "/": src/serve/page.html, which the build puts into the program.
#pragma once

#include <string>
#include <string_view>

namespace falconer::serve {

std::string_view page_html();

/// What the page may load: its own script and style, which are named by their hashes, and answers of this server.
std::string page_policy();

}  // namespace falconer::serve
