# What is linked with Falconer, here and by whoever links libfalconer.a: an installed file of the package.
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
# Not by oneDNN's own package file: Debian's asks for OpenCL's headers, which nothing here uses.
if(NOT TARGET DNNL::dnnl)
  find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
  find_library(DNNL_LIBRARY dnnl REQUIRED)
  add_library(DNNL::dnnl UNKNOWN IMPORTED)
  set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION "${DNNL_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${DNNL_INCLUDE_DIR}")
endif()
find_package(PkgConfig REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(EVENT REQUIRED IMPORTED_TARGET libevent_core)
# Debian and Ubuntu package it without a file for pkg-config.
if(NOT TARGET Snappy::falconer)
  find_path(SNAPPY_INCLUDE_DIR snappy-c.h REQUIRED)
  find_library(SNAPPY_LIBRARY snappy REQUIRED)
  add_library(Snappy::falconer UNKNOWN IMPORTED)
  set_target_properties(Snappy::falconer PROPERTIES IMPORTED_LOCATION "${SNAPPY_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${SNAPPY_INCLUDE_DIR}")
endif()

set(FALCONER_LINKED OpenMP::OpenMP_CXX fmt::fmt spdlog::spdlog DNNL::dnnl OpenSSL::Crypto PkgConfig::HWY PkgConfig::ZIP
    PkgConfig::PCRE2 PkgConfig::UTF8PROC PkgConfig::ZLIB PkgConfig::ZSTD PkgConfig::LZ4 PkgConfig::EVENT Snappy::falconer
    ${CMAKE_DL_LIBS})
