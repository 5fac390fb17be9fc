# libfalconer_mpi.so, which the program loads where mpirun started it as one of several: what alone is linked with
# MPI, and is not built where none is installed. It shares two headers with the program and no code, so that it can
# be built for another MPI by itself (docs/ranks.md).
set(MPI_CXX_SKIP_MPICXX ON)  # the C interface is called
find_package(MPI QUIET COMPONENTS CXX)
if(NOT MPI_CXX_FOUND)
  message(STATUS "No MPI here: the program runs alone, without libfalconer_mpi.so (openmpi-bin and libopenmpi-dev)")
  return()
endif()
file(GLOB falconer_mpi_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/ranks/mpi/*.cc)
add_library(falconer_mpi MODULE ${falconer_mpi_sources})
target_include_directories(falconer_mpi PRIVATE include src)
set_target_properties(falconer_mpi PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
target_link_libraries(falconer_mpi PRIVATE falconer_warnings MPI::MPI_CXX)
target_link_options(falconer_mpi PRIVATE -Wl,--as-needed)
if(TARGET falconer)
  add_dependencies(falconer falconer_mpi)  # who builds the program has both
endif()
install(TARGETS falconer_mpi LIBRARY DESTINATION lib/falconer COMPONENT program)
