# Runs ctest on the tests of one suite of the example; its exit status and every outcome must be as
# given in OUTCOMES, NAME=OUTCOME,...
cmake_path(GET CMAKE_COMMAND PARENT_PATH bin)
execute_process(COMMAND "${bin}/ctest" --test-dir "${WORK}/build" -R "^${SUITE}\\." --verbose
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
message("${output}")

string(REPLACE "," ";" expected "${OUTCOMES}")
set(wanted_status 0)
foreach(each IN LISTS expected)
  if(each MATCHES "=(Failed|Not Run)$")
    set(wanted_status 8)  # ctest: some tests failed
  endif()
endforeach()
string(REGEX MATCHALL "Test +#[0-9]+: [^ ]+ [.]+[ *]*(Passed|Failed|Not Run|Skipped)" lines
       "${output}")
set(found)
foreach(line IN LISTS lines)
  string(REGEX MATCH "#[0-9]+: ([^ ]+) [.]+[ *]*(.*)$" _ "${line}")
  set(outcome "${CMAKE_MATCH_2}")
  string(REPLACE "${SUITE}." "" test "${CMAKE_MATCH_1}")
  list(APPEND found "${test}=${outcome}")
endforeach()
list(SORT expected)
list(SORT found)
if(NOT found STREQUAL expected)
  message(FATAL_ERROR "outcomes are ${found}, expected ${expected}")
endif()
if(NOT status EQUAL wanted_status)
  message(FATAL_ERROR "ctest's exit status is ${status}, expected ${wanted_status}")
endif()
