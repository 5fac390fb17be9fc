# Writes `out`, a source file with the commit that `source` is at, where that differs from what it says:
#   cmake -D source=FOLDER -D out=FILE -P cmake/record_commit.cmake
set(commit)
find_program(git git)
if(git)
  execute_process(COMMAND ${git} -C ${source} rev-parse --show-toplevel OUTPUT_VARIABLE top ERROR_QUIET
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  file(REAL_PATH ${source} source)
  if(top STREQUAL source)  # the sources may lie, without git, inside of something else
    execute_process(COMMAND ${git} -C ${source} describe --always --dirty --exclude=* --abbrev=12 ERROR_QUIET
                    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
endif()
set(text "extern const char* const falconer_commit;\nconst char* const falconer_commit = \"${commit}\";\n")
set(there)
if(EXISTS ${out})
  file(READ ${out} there)
endif()
if(NOT there STREQUAL text)
  file(WRITE ${out} "${text}")
endif()
