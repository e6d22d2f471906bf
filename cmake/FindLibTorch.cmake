# Finds LibTorch without stock TorchConfig, which fails for a CUDA build on a machine without the
# CUDA toolkit. Order: Torch_DIR or CMAKE_PREFIX_PATH, the torch of the user's python3, the pinned
# wheel that third_party/setup.sh unpacked. Defines LibTorch::LibTorch and LibTorch_VERSION.

set(_libtorch_hints)
if(Torch_DIR)
  get_filename_component(_root "${Torch_DIR}/../../.." ABSOLUTE)
  list(APPEND _libtorch_hints "${_root}")
endif()
foreach(_prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND _libtorch_hints "${_prefix}" "${_prefix}/torch" "${_prefix}/../..")
endforeach()
find_program(_libtorch_python python3)
if(_libtorch_python)
  execute_process(COMMAND "${_libtorch_python}" -c
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
    OUTPUT_VARIABLE _root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(_root)
    list(APPEND _libtorch_hints "${_root}")
  endif()
endif()
list(APPEND _libtorch_hints "${PROJECT_SOURCE_DIR}/third_party/libtorch/torch")

foreach(_root IN LISTS _libtorch_hints)
  if(EXISTS "${_root}/lib/libtorch_cpu.so" AND EXISTS "${_root}/include/ATen/ATen.h")
    set(LibTorch_ROOT_DIR "${_root}")
    break()
  endif()
endforeach()

if(LibTorch_ROOT_DIR)
  set(_version_header "${LibTorch_ROOT_DIR}/include/torch/headeronly/version.h")
  if(NOT EXISTS "${_version_header}")
    set(_version_header "${LibTorch_ROOT_DIR}/include/torch/csrc/api/include/torch/version.h")
  endif()
  if(EXISTS "${_version_header}")
    file(STRINGS "${_version_header}" _lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
    string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3"
           LibTorch_VERSION "${_lines}")
  endif()
elseif(EXISTS "/usr/include/ATen/ATen.h" OR EXISTS "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/libtorch_cpu.so")
  set(LibTorch_NOT_FOUND_MESSAGE "Debian's libtorch-dev (1.13) is too old; run third_party/setup.sh")
else()
  set(LibTorch_NOT_FOUND_MESSAGE "run third_party/setup.sh, or give -DCMAKE_PREFIX_PATH=<torch>")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LibTorch_ROOT_DIR
  VERSION_VAR LibTorch_VERSION REASON_FAILURE_MESSAGE "${LibTorch_NOT_FOUND_MESSAGE}")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  if(LibTorch_VERSION VERSION_LESS 2.6)
    message(FATAL_ERROR "LibTorch ${LibTorch_VERSION} in ${LibTorch_ROOT_DIR} is too old: Assay needs "
      "2.6 or newer (Debian's libtorch-dev is 1.13); run third_party/setup.sh")
  endif()
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES
      "${LibTorch_ROOT_DIR}/include;${LibTorch_ROOT_DIR}/include/torch/csrc/api/include"
    INTERFACE_INCLUDE_DIRECTORIES
      "${LibTorch_ROOT_DIR}/include;${LibTorch_ROOT_DIR}/include/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES
      "${LibTorch_ROOT_DIR}/lib/libtorch_cpu.so;${LibTorch_ROOT_DIR}/lib/libc10.so"
    INTERFACE_LINK_OPTIONS "-Wl,-rpath,${LibTorch_ROOT_DIR}/lib")
endif()
