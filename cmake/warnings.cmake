# Warnings and sanitizers, as a target that everything links.
add_library(falconer_warnings INTERFACE)
target_compile_options(falconer_warnings INTERFACE -Wall -Wextra -Wpedantic -Wnon-virtual-dtor
                       -Wno-missing-field-initializers)
if(NOT FALCONER_UNITY)  # files that are compiled together hide names of each other
  target_compile_options(falconer_warnings INTERFACE -Wshadow)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  if(FALCONER_UNITY)  # where what a file has for itself counts as a header's
    target_compile_options(falconer_warnings INTERFACE -Wno-subobject-linkage)
  endif()
  # GCC 12 reports these inside the standard library's own strings at -O3; the sanitizers watch for the real thing.
  target_compile_options(falconer_warnings INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-overread
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
