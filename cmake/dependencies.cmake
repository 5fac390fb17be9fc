# Libraries that Falconer stands on; tools/install_dependencies installs their packages.
find_package(OpenMP REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
# Not by oneDNN's own package file: Debian's asks for OpenCL's headers, which nothing here uses.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(DNNL::dnnl UNKNOWN IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION "${DNNL_LIBRARY}"
                      INTERFACE_INCLUDE_DIRECTORIES "${DNNL_INCLUDE_DIR}")
# libcurl's header alone: src/hub/curl_library.cc loads the library when there is something to fetch.
find_path(CURL_INCLUDE_DIR curl/curl.h REQUIRED)
add_library(curl_header INTERFACE)
target_include_directories(curl_header SYSTEM INTERFACE "${CURL_INCLUDE_DIR}")
target_link_libraries(curl_header INTERFACE ${CMAKE_DL_LIBS})
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

set(FALCONER_LIBRARIES
    OpenMP::OpenMP_CXX fmt::fmt spdlog::spdlog nlohmann_json::nlohmann_json CLI11::CLI11 DNNL::dnnl
    curl_header OpenSSL::Crypto PkgConfig::HWY PkgConfig::ZIP PkgConfig::PCRE2 PkgConfig::UTF8PROC)
