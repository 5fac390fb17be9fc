# Libraries that Falconer stands on; tools/install_dependencies installs their packages.
include(${CMAKE_CURRENT_LIST_DIR}/linked.cmake)
# Of these it needs the headers alone.
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
# libcurl's: src/hub/curl_library.cc loads the library when there is something to fetch.
find_path(CURL_INCLUDE_DIR curl/curl.h REQUIRED)
add_library(curl_header INTERFACE)
target_include_directories(curl_header SYSTEM INTERFACE "${CURL_INCLUDE_DIR}")

set(FALCONER_HEADERS nlohmann_json::nlohmann_json CLI11::CLI11 curl_header)
set(FALCONER_LIBRARIES ${FALCONER_LINKED} ${FALCONER_HEADERS})
