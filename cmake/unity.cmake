# Files of one folder are compiled together, several at a time: the headers are then read once for all of
# them. Names that stand in a file alone must therefore be the only ones of their folder.
# FALCONER_UNITY=OFF compiles each by itself, which is quicker where one file changes again and again.
set(unity_files 12)  # at a time, at most

function(unity_by_folder target alone)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # What a file includes counts as another's; its own names hide nothing of the others on purpose.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage> -Wno-shadow)
  set(folders)
  foreach(file ${ARGN})
    if(file MATCHES "${alone}")
      continue()
    endif()
    get_filename_component(folder ${file} DIRECTORY)
    string(MAKE_C_IDENTIFIER ${folder} folder)
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
      set_source_files_properties(${file} PROPERTIES UNITY_GROUP ${folder}_${group})
      math(EXPR at "${at} + 1")
    endforeach()
  endforeach()
endfunction()
