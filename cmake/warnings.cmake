# Warnings and sanitizers, as a target that everything links.
add_library(falconer_warnings INTERFACE)
target_compile_options(falconer_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these inside the standard library's own strings at -O3; the sanitizers watch for the real thing.
  target_compile_options(falconer_warnings INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow
                         -Wno-restrict -Wno-array-bounds)
endif()
if(FALCONER_WERROR)
  target_compile_options(falconer_warnings INTERFACE -Werror)
endif()
if(FALCONER_SANITIZE)
  target_compile_options(falconer_warnings INTERFACE -fsanitize=${FALCONER_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(falconer_warnings INTERFACE -fsanitize=${FALCONER_SANITIZE})
endif()
