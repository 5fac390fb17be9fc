# The kernels for NVIDIA GPUs, as part of the library. CUDA's runtime is linked whole and finds the
# driver when it is asked to; cuBLASLt is loaded at the first product: the program needs neither to
# start.
if(NOT CMAKE_CUDA_ARCHITECTURES)
  # A100, L4 and RTX 40, H100 and H200; what comes later compiles the last for itself.
  set(CMAKE_CUDA_ARCHITECTURES 80-real 89-real 90)
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  # CMake before 3.26 does not know that nvcc has it.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
find_package(CUDAToolkit REQUIRED)

file(GLOB_RECURSE falconer_cuda_sources CONFIGURE_DEPENDS src/ops/cuda/*.cu src/ops/cuda/*.cc)
add_library(falconer_cuda OBJECT ${falconer_cuda_sources})
target_include_directories(falconer_cuda PRIVATE src include)
target_compile_options(falconer_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-Xcompiler=-Wall>"
                       $<$<COMPILE_LANGUAGE:CXX>:-Wall>)
if(FALCONER_WERROR)
  target_compile_options(falconer_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Werror all-warnings>"
                         $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
target_link_libraries(falconer_cuda PRIVATE CUDA::cudart_static fmt::fmt)
target_sources(falconer_library PRIVATE $<TARGET_OBJECTS:falconer_cuda>)
# The one file that has to know; all others are the same sources as without CUDA.
set_source_files_properties(src/ops/devices.cc PROPERTIES COMPILE_DEFINITIONS FALCONER_CUDA)
# For whoever links the library: its other sources are compiled as without CUDA.
target_link_libraries(falconer_library INTERFACE $<LINK_ONLY:CUDA::cudart_static> ${CMAKE_DL_LIBS})
