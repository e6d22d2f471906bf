# What assay_add_suite refuses, and what a run whose generator expressions come out empty says.
#   cmake -DMODULES=<cmake/> -DWORK=<folder> -P arguments.cmake
file(REMOVE_RECURSE "${WORK}")
file(WRITE "${WORK}/source/suite.yaml" "")

# expect(CALLS TEXT): configuring a project with these calls says the text; "" if it succeeds.
function(expect calls text)
  file(WRITE "${WORK}/source/CMakeLists.txt" "cmake_minimum_required(VERSION 3.25)
project(Arguments LANGUAGES NONE)
include([==[${MODULES}/AssaySuite.cmake]==])
enable_testing()
add_executable(Assay::assay IMPORTED)
set_target_properties(Assay::assay PROPERTIES IMPORTED_LOCATION [==[${CMAKE_COMMAND}]==])
${calls}
")
  execute_process(COMMAND "${CMAKE_COMMAND}" -S "${WORK}/source" -B "${WORK}/build"
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  string(FIND "${output}" "${text}" at)
  if(text STREQUAL "" AND status EQUAL 0)
    return()
  endif()
  if(status EQUAL 0 OR text STREQUAL "" OR at EQUAL -1)
    message(SEND_ERROR "${calls}: expected `${text}`, status ${status}: ${output}")
  endif()
endfunction()

set(suite "SUITE suite.yaml")
set(rest "${suite} MODEL m.pt")
expect("assay_add_suite(NAME n ${rest} BASELINE \"\${UNSET}\")" "BASELINE is empty")
expect("assay_add_suite(NAME n ${rest} BASELINE \${UNSET})" "BASELINE is empty")
expect("assay_add_suite(NAME n ${rest} BASELINE \${UNSET} TIMEOUT 9)" "BASELINE is empty")
expect("assay_add_suite(NAME n ${suite} MODEL \"\${UNSET}\" BASELINE none)" "MODEL is empty")
expect("assay_add_suite(NAME n ${suite} BASELINE none)" "MODEL is missing")
expect("assay_add_suite(NAME a ${rest})\nassay_add_suite(NAME a.b ${rest})" "names a and a.b")
expect("assay_add_suite(NAME a.b ${rest})\nassay_add_suite(NAME a ${rest})" "names a.b and a")
expect("assay_add_suite(NAME a.b ${rest})\nassay_add_suite(NAME a.bc ${rest})" "")
# Words that CMake takes for false are names and files like others.
expect("assay_add_suite(NAME off ${suite} MODEL no BASELINE n)" "")
file(READ "${WORK}/build/assay/off-settings.cmake" settings)
if(NOT settings MATCHES "ASSAY_BASELINE \\[==\\[[^]]*/source/n\\]")
  message(SEND_ERROR "the baseline named `n` is lost: ${settings}")
endif()

expect("assay_add_suite(NAME g ${rest} BASELINE $<1:>)" "")
execute_process(COMMAND "${CMAKE_COMMAND}" "-DASSAY_SETTINGS=${WORK}/build/assay/g-settings.cmake"
  -P "${MODULES}/AssaySuiteRun.cmake" RESULT_VARIABLE status ERROR_VARIABLE output)
if(status EQUAL 0 OR NOT output MATCHES "BASELINE of g is empty")
  message(SEND_ERROR "a baseline that turns out empty is dropped: ${output}")
endif()
