# The CUDA kernels. Where nvcc is at hand they are compiled for every architecture; where a C++
# compiler is, the tests run them on the CPU (tests/emulation). Neither is needed for the rest.
set(BLACKSPOT_CUDA AUTO CACHE STRING "Compile the CUDA kernels: AUTO (where nvcc is), ON or OFF")
set_property(CACHE BLACKSPOT_CUDA PROPERTY STRINGS AUTO ON OFF)
set(BLACKSPOT_CUDA_ARCHITECTURES "75-real;80-real;86-real;89-real;90-real;100;120" CACHE STRING
  "Architectures of the CUDA kernels; without -real also as PTX for later ones")
set(CUDA_OLDEST_NVCC 13.0)

# Sets CUDA_PROBLEM to why there is no usable nvcc, or to nothing.
macro(find_cuda)
  set(CUDA_PROBLEM "")
  find_program(CUDA_NVCC nvcc HINTS ENV CUDACXX PATHS /usr/local/cuda/bin)
  mark_as_advanced(CUDA_NVCC)
  if(NOT CUDA_NVCC)
    set(CUDA_PROBLEM "nvcc was not found")
  else()
    if(NOT DEFINED CMAKE_CUDA_COMPILER)
      set(CMAKE_CUDA_COMPILER ${CUDA_NVCC})
    endif()
    set(CMAKE_CUDA_ARCHITECTURES ${BLACKSPOT_CUDA_ARCHITECTURES})
    include(CheckLanguage)
    check_language(CUDA)
    if(NOT CMAKE_CUDA_COMPILER)
      set(CUDA_PROBLEM "${CUDA_NVCC} does not compile a trivial program")
    else()
      enable_language(CUDA)
      if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS CUDA_OLDEST_NVCC)
        set(CUDA_PROBLEM "nvcc is ${CMAKE_CUDA_COMPILER_VERSION}, ${CUDA_OLDEST_NVCC} is needed")
      endif()
    endif()
  endif()
endmacro()

if(BLACKSPOT_CUDA)
  find_cuda()
  if(NOT CUDA_PROBLEM)
    message(STATUS "CUDA kernels: nvcc ${CMAKE_CUDA_COMPILER_VERSION} for "
      "${BLACKSPOT_CUDA_ARCHITECTURES}")
  elseif(BLACKSPOT_CUDA STREQUAL "AUTO")
    message(STATUS "CUDA kernels: left out, ${CUDA_PROBLEM}")
  else()
    message(FATAL_ERROR "BLACKSPOT_CUDA is ON, but ${CUDA_PROBLEM}")
  endif()
else()
  message(STATUS "CUDA kernels: left out, BLACKSPOT_CUDA is OFF")
endif()

if(BLACKSPOT_CUDA AND NOT CUDA_PROBLEM)
  file(GLOB CUDA_SOURCES CONFIGURE_DEPENDS kernels/*.cu)
  # For all architectures it takes longer than everything else together: unless asked for with ON, a
  # test or `cmake --build build --target blackspot_cuda` builds it.
  add_library(blackspot_cuda SHARED ${CUDA_SOURCES} host/base/error.c)
  target_link_options(blackspot_cuda PRIVATE -Wl,--exclude-libs,ALL)
  if(BLACKSPOT_CUDA STREQUAL "ON")
    install(TARGETS blackspot_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  else()
    set_target_properties(blackspot_cuda PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  if(BLACKSPOT_TESTS)
    enable_testing()
    add_test(NAME cuda_kernels_compile
             COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target blackspot_cuda)
    set_tests_properties(cuda_kernels_compile PROPERTIES COST 200 PROCESSORS 2 TIMEOUT 600)
  endif()
  # CMake 3.25 does not know how nvcc 13 is told.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  set_target_properties(blackspot_cuda PROPERTIES
    CUDA_RUNTIME_LIBRARY Static
    CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_VISIBILITY_PRESET hidden
    # Keeps what ptxas says of registers, shared memory and spills: build/kernels/*.txt.
    RULE_LAUNCH_COMPILE "${PROJECT_SOURCE_DIR}/cmake/kernel_report.sh ${PROJECT_BINARY_DIR}/kernels")
  target_include_directories(blackspot_cuda PRIVATE include host ${PROJECT_SOURCE_DIR})
  target_compile_options(blackspot_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:
    -O3 -fmad=false --threads 2 -Werror=all-warnings -Xcompiler=-Wall,-Wextra
    -Xptxas=-v,-Werror,-warn-spills,-warn-lmem-usage>)
endif()

# ThreadSanitizer cannot follow the emulation's fibers; cuda_mutations brings its own build for it.
if(BLACKSPOT_TESTS AND NOT BLACKSPOT_SANITIZE MATCHES thread)
  include(CheckLanguage)
  check_language(CXX)
  if(CMAKE_CXX_COMPILER)
    enable_testing()
    add_subdirectory(tests/emulation)
  else()
    message(STATUS "CUDA emulation: left out, there is no C++ compiler; kernels/ is not tested")
  endif()
endif()
