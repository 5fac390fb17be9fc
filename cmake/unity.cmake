# Files of one folder of src/ or tests/, with the folders in it, are compiled together, several at a time:
# headers are then read, and what they define compiled, once for all of them. So what a file has for itself
# needs a name of its own in its folder.
# FALCONER_UNITY=OFF compiles each by itself, which is quicker where one file changes again and again.
set(unity_files 48)  # at a time, at most

# Puts into `result` what is compiled in the place of the sources of `root` behind it: files that include
# them, by names that are the same in every checkout, so that a compiler cache knows them. What matches
# `alone` stays as it is.
function(unity_by_folder result root alone)
  set(all)
  set(folders)
  foreach(file ${ARGN})
    if(NOT FALCONER_UNITY OR file MATCHES "${alone}")
      list(APPEND all ${file})
      continue()
    endif()
    file(RELATIVE_PATH file ${root} ${file})
    string(REGEX REPLACE "/.*" "" folder ${file})
    list(APPEND folders ${folder})
    list(APPEND files_of_${folder} ${file})
  endforeach()
  list(REMOVE_DUPLICATES folders)
  foreach(folder ${folders})
    list(LENGTH files_of_${folder} count)
    math(EXPR groups "(${count} + ${unity_files} - 1) / ${unity_files}")
    set(at 0)
    foreach(file ${files_of_${folder}})
      math(EXPR group "${at} * ${groups} / ${count}")
      string(APPEND text_${folder}_${group} "#include \"${file}\"\n")
      math(EXPR at "${at} + 1")
    endforeach()
    math(EXPR last "${groups} - 1")
    foreach(group RANGE ${last})
      set(together ${CMAKE_CURRENT_BINARY_DIR}/unity/${folder}_${group}.cc)
      file(CONFIGURE OUTPUT ${together} CONTENT "${text_${folder}_${group}}" @ONLY)  # written where it differs
      list(APPEND all ${together})
    endforeach()
  endforeach()
  set(${result} ${all} PARENT_SCOPE)
endfunction()
