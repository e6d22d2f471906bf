# Finds LibTorch without stock TorchConfig, which fails for a CUDA build on a machine without the
# CUDA toolkit. Order: Torch_DIR, CMAKE_PREFIX_PATH (as variable or in the environment), the torch
# of the user's python3, the pinned wheel that third_party/setup.sh unpacked. Each is asked to load
# before it is taken. Defines LibTorch::LibTorch, LibTorch_ROOT_DIR and LibTorch_VERSION.
#
# Only libtorch_cpu and libc10 are linked: a CUDA build serves on the CPU. Its libtorch_cpu needs
# libcudart and libcupti to load, which pip and setup.sh put beside it, where its own rpath looks.

set(LibTorch_OLDEST 2.6)

# _libtorch_version(ROOT OUT): "" if ROOT holds no LibTorch.
function(_libtorch_version root out)
  set(${out} "" PARENT_SCOPE)
  if(NOT EXISTS "${root}/lib/libtorch_cpu.so" OR NOT EXISTS "${root}/include/ATen/ATen.h")
    return()
  endif()
  foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS "${root}/include/${header}")
      file(STRINGS "${root}/include/${header}" lines REGEX
           "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
      if("${lines}" MATCHES "MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+)")
        set(${out} "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}" PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
  set(${out} "unknown" PARENT_SCOPE)
endfunction()

# _libtorch_fault(ROOT VERSION OUT): why this LibTorch cannot serve, "" if it can.
function(_libtorch_fault root version out)
  set(${out} "" PARENT_SCOPE)
  if(version STREQUAL "unknown" OR version VERSION_LESS LibTorch_OLDEST)
    set(${out} "too old, Assay needs ${LibTorch_OLDEST} or newer" PARENT_SCOPE)
    return()
  endif()
  set(config "${root}/share/cmake/Torch/TorchConfig.cmake")
  if(EXISTS "${config}")
    file(STRINGS "${config}" old_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
    if(old_abi)
      set(${out} "built with the C++ ABI from before C++11, which no other library here has"
          PARENT_SCOPE)
      return()
    endif()
  endif()
  set(probe "${CMAKE_BINARY_DIR}/CMakeFiles/libtorch_probe")
  file(WRITE "${probe}/probe.cc" "int main() { return 0; }\n")
  try_run(ran built "${probe}" "${probe}/probe.cc"
    LINK_OPTIONS "-Wl,--no-as-needed" "-Wl,-rpath,${root}/lib"
    LINK_LIBRARIES "${root}/lib/libtorch_cpu.so" "${root}/lib/libc10.so"
    COMPILE_OUTPUT_VARIABLE log RUN_OUTPUT_VARIABLE run_log)
  if(NOT built OR NOT ran EQUAL 0)
    string(APPEND log "\n${run_log}")
    string(REGEX MATCH "(lib[^ /\n]*, needed by|[^\n]*cannot open|[^\n]*undefined)[^\n]*" line
           "${log}")
    set(${out} "does not load on this machine: ${line}" PARENT_SCOPE)
  endif()
endfunction()

set(_libtorch_named)
set(_config "${Torch_DIR}")
if(NOT _config)
  set(_config "$ENV{Torch_DIR}")
endif()
if(_config)
  get_filename_component(_root "${_config}/../../.." ABSOLUTE)
  list(APPEND _libtorch_named "${_root}")
endif()
string(REPLACE ":" ";" _prefixes "$ENV{CMAKE_PREFIX_PATH}")
foreach(_prefix IN LISTS CMAKE_PREFIX_PATH _prefixes)
  foreach(_root "${_prefix}" "${_prefix}/torch" "${_prefix}/../..")
    get_filename_component(_root "${_root}" ABSOLUTE)
    list(APPEND _libtorch_named "${_root}")
  endforeach()
endforeach()
find_program(LibTorch_PYTHON python3)
mark_as_advanced(LibTorch_PYTHON)
set(_libtorch_python)
if(LibTorch_PYTHON)
  execute_process(COMMAND "${LibTorch_PYTHON}" -c
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0])"
    OUTPUT_VARIABLE _libtorch_python OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()

set(_libtorch_faults)
if(NOT LibTorch_VERSION OR NOT EXISTS "${LibTorch_ROOT_DIR}/lib/libtorch_cpu.so"
   OR (_libtorch_named AND NOT "${LibTorch_NAMED}" STREQUAL "${_libtorch_named}"))
  # One that is named later is searched for; a shell that no longer names it changes nothing.
  set(LibTorch_NAMED "${_libtorch_named}" CACHE INTERNAL "what the search began with")
  unset(LibTorch_ROOT_DIR CACHE)
  foreach(_root IN LISTS _libtorch_named _libtorch_python
          ITEMS "${PROJECT_SOURCE_DIR}/third_party/libtorch/torch")
    _libtorch_version("${_root}" _version)
    if(NOT _version)
      continue()
    endif()
    _libtorch_fault("${_root}" "${_version}" _fault)
    if(NOT _fault)
      set(LibTorch_ROOT_DIR "${_root}" CACHE PATH "holds lib/libtorch_cpu.so and include/" FORCE)
      set(LibTorch_VERSION "${_version}" CACHE INTERNAL "")
      break()
    endif()
    string(APPEND _libtorch_faults "LibTorch ${_version} in ${_root}: ${_fault}\n")
    if(_root IN_LIST _libtorch_named)
      message(WARNING "the LibTorch ${_version} named, in ${_root}: ${_fault}")
    endif()
  endforeach()
endif()

set(_hint "run third_party/setup.sh, or give -DCMAKE_PREFIX_PATH=<torch>")
if(_libtorch_faults)
  set(_hint "${_libtorch_faults}${_hint}")
elseif(EXISTS "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/libtorch_cpu.so")
  string(PREPEND _hint
    "Debian's libtorch-dev (1.13) is too old, Assay needs ${LibTorch_OLDEST} or newer\n")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LibTorch_ROOT_DIR
  VERSION_VAR LibTorch_VERSION REASON_FAILURE_MESSAGE "${_hint}")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  set(_includes "${LibTorch_ROOT_DIR}/include"
                "${LibTorch_ROOT_DIR}/include/torch/csrc/api/include")
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  # CMake adds the build rpath of a library given by its full path.
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${_includes}"
    INTERFACE_INCLUDE_DIRECTORIES "${_includes}"
    INTERFACE_LINK_LIBRARIES
      "${LibTorch_ROOT_DIR}/lib/libtorch_cpu.so;${LibTorch_ROOT_DIR}/lib/libc10.so")
endif()
