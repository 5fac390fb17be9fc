# libfalconer.so: the C interface of include/falconer/c.h, and no other symbol. The objects are those of the
# library, which are position-independent for it; hidden names keep calls within it as direct as they are
# without.
set_target_properties(falconer_library PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
                      VISIBILITY_INLINES_HIDDEN ON)
if(TARGET falconer_cuda)
  set_target_properties(falconer_cuda PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
                        CUDA_VISIBILITY_PRESET hidden)
endif()
add_library(falconer_shared SHARED $<TARGET_OBJECTS:falconer_library>)
add_library(falconer::c ALIAS falconer_shared)
set(exported ${PROJECT_SOURCE_DIR}/cmake/exported.map)
set_target_properties(falconer_shared PROPERTIES OUTPUT_NAME falconer EXPORT_NAME c LINKER_LANGUAGE CXX
                      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
                      LINK_DEPENDS ${exported})
target_include_directories(falconer_shared INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(falconer_shared PRIVATE ${FALCONER_LINKED})
if(TARGET falconer_cuda)
  target_sources(falconer_shared PRIVATE $<TARGET_OBJECTS:falconer_cuda>)
  target_link_libraries(falconer_shared PRIVATE CUDA::cudart_static)
endif()
target_link_options(falconer_shared PRIVATE -Wl,--version-script=${exported} -Wl,--no-undefined)
