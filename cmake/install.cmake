# What "cmake --install" puts where: the program, headers, libraries, and how CMake and pkg-config find them.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/falconer)

install(TARGETS falconer_library EXPORT falconer_cxx ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY include/falconer DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(EXPORT falconer_cxx NAMESPACE falconer:: FILE falconer_cxx.cmake DESTINATION ${package_folder}
        COMPONENT development)
if(FALCONER_SHARED)
  install(TARGETS falconer_shared EXPORT falconer_c
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)
  install(EXPORT falconer_c NAMESPACE falconer:: FILE falconer_c.cmake DESTINATION ${package_folder}
          COMPONENT development)
endif()

configure_package_config_file(cmake/falconerConfig.cmake.in ${PROJECT_BINARY_DIR}/falconerConfig.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/falconerConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/falconerConfig.cmake ${PROJECT_BINARY_DIR}/falconerConfigVersion.cmake
              cmake/linked.cmake DESTINATION ${package_folder} COMPONENT development)

file(RELATIVE_PATH up_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(name falconer falconer-c)
  configure_file(cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  if(name STREQUAL falconer OR FALCONER_SHARED)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
  endif()
endforeach()

# The manual page and the completions, as the program that is installed prints them.
if(TARGET falconer)
  foreach(page "man/man1/falconer.1 help --man" "bash-completion/completions/falconer completions bash"
               "zsh/site-functions/_falconer completions zsh" "fish/vendor_completions.d/falconer.fish completions fish")
    separate_arguments(page)
    list(POP_FRONT page name)
    install(CODE "
      set(file \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/${name}\")
      message(STATUS \"Installing: \${file}\")
      get_filename_component(folder \"\${file}\" DIRECTORY)
      file(MAKE_DIRECTORY \"\${folder}\")
      execute_process(COMMAND \"$<TARGET_FILE:falconer>\" ${page} OUTPUT_FILE \"\${file}\" COMMAND_ERROR_IS_FATAL ANY)"
      COMPONENT program)
  endforeach()
endif()
