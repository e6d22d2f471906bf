# Which LibTorch is taken: one that is named later in place of the one found before, and the same
# one still where a later configure names none.
#   cmake -DROOT=<torch> -DMODULES=<cmake/> -DWORK=<folder> -P libtorch.cmake
file(REMOVE_RECURSE "${WORK}")
file(WRITE "${WORK}/CMakeLists.txt" "cmake_minimum_required(VERSION 3.25)
project(named LANGUAGES CXX)
list(APPEND CMAKE_MODULE_PATH \"${MODULES}\")
find_package(LibTorch REQUIRED)
file(WRITE \"${WORK}/taken\" \"\${LibTorch_ROOT_DIR}\")
")
foreach(name first second)
  file(CREATE_LINK "${ROOT}" "${WORK}/${name}" SYMBOLIC)
endforeach()

function(expect taken named)
  execute_process(COMMAND "${CMAKE_COMMAND}" -E env --unset=Torch_DIR "CMAKE_PREFIX_PATH=${named}"
    "${CMAKE_COMMAND}" -S "${WORK}" -B "${WORK}/build"
    RESULT_VARIABLE exit OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT exit EQUAL 0)
    message(FATAL_ERROR "configure with `${named}` ended with ${exit}:\n${text}")
  endif()
  file(READ "${WORK}/taken" found)
  if(NOT found STREQUAL "${WORK}/${taken}")
    message(FATAL_ERROR "with `${named}` named, ${found} was taken instead of ${WORK}/${taken}")
  endif()
endfunction()

expect(first "${WORK}/first")
expect(first "")
expect(second "${WORK}/second")
expect(second "")
