# The test NAME.run: cmake -DASSAY_SETTINGS=<settings> -P AssaySuiteRun.cmake. Runs the suite into
# an empty folder and passes if that leaves evidence to judge, whatever the verdict.

include("${ASSAY_SETTINGS}")
file(REMOVE_RECURSE "${ASSAY_OUT}")
set(command "${ASSAY_PROGRAM}" run "${ASSAY_SUITE}" --model "${ASSAY_MODEL}" --out "${ASSAY_OUT}"
  --store "${ASSAY_STORE}")
if(DEFINED ASSAY_BASELINE)
  list(APPEND command --baseline "${ASSAY_BASELINE}")
endif()
# Generator expressions may turn out empty, and execute_process would drop the word.
foreach(needed MODEL BASELINE)
  if(DEFINED ASSAY_${needed} AND "${ASSAY_${needed}}" STREQUAL "")
    message(FATAL_ERROR
      "assay_add_suite: ${needed} of ${ASSAY_NAME} is empty; is a variable unset?")
  endif()
endforeach()
execute_process(COMMAND ${command} RESULT_VARIABLE exit)
set(2 "usage, suite or data error")
set(3 "incomplete; the only one worth retrying")
set(5 "the candidate was refused before it ran")
if(NOT exit MATCHES "^[014]$")
  message(FATAL_ERROR "assay run left no evidence to judge: exit ${exit} (${${exit}})")
endif()
