# Read by ctest when it starts, once for each assay_add_suite, after the suite's settings: asks
# assay for the suite's cells and adds the tests.

# Without cells (the suite cannot be read, say) NAME.run fails and shows why.
execute_process(COMMAND "${ASSAY_PROGRAM}" plan "${ASSAY_SUITE}" --cells
  OUTPUT_VARIABLE ASSAY_CELLS ERROR_QUIET RESULT_VARIABLE ASSAY_EXIT)
if(NOT ASSAY_EXIT EQUAL 0)
  set(ASSAY_CELLS "")
endif()
string(REGEX MATCHALL "[^\r\n]+" ASSAY_CELLS "${ASSAY_CELLS}")

add_test("${ASSAY_NAME}.run" "${ASSAY_CMAKE}" "-DASSAY_SETTINGS=${ASSAY_SETTINGS}"
  -P "${ASSAY_SUITE_SCRIPTS}/AssaySuiteRun.cmake")
set_tests_properties("${ASSAY_NAME}.run" PROPERTIES
  FIXTURES_SETUP "assay.${ASSAY_NAME}" PROCESSORS "${ASSAY_CORES}" LABELS assay)
if(ASSAY_TIMEOUT)
  set_tests_properties("${ASSAY_NAME}.run" PROPERTIES TIMEOUT "${ASSAY_TIMEOUT}")
endif()

set(ASSAY_TESTS "${ASSAY_NAME}.gate")
add_test("${ASSAY_NAME}.gate" "${ASSAY_PROGRAM}" gate "${ASSAY_OUT}")
foreach(ASSAY_CELL IN LISTS ASSAY_CELLS)
  string(REPLACE "/" "_" ASSAY_TEST "${ASSAY_CELL}")
  if(ASSAY_TEST STREQUAL "gate" OR ASSAY_TEST STREQUAL "run")
    set(ASSAY_TEST "cell.${ASSAY_TEST}")  # these names are taken
  endif()
  set(ASSAY_TEST "${ASSAY_NAME}.${ASSAY_TEST}")
  list(APPEND ASSAY_TESTS "${ASSAY_TEST}")
  add_test("${ASSAY_TEST}" "${ASSAY_PROGRAM}" gate "${ASSAY_OUT}" --cell "${ASSAY_CELL}")
endforeach()
foreach(ASSAY_TEST IN LISTS ASSAY_TESTS)
  set_tests_properties("${ASSAY_TEST}" PROPERTIES
    FIXTURES_REQUIRED "assay.${ASSAY_NAME}" LABELS assay)
  if(ASSAY_INCONCLUSIVE STREQUAL "skip")
    set_tests_properties("${ASSAY_TEST}" PROPERTIES SKIP_RETURN_CODE 4)
  endif()
endforeach()
