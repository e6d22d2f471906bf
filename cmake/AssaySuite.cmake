# assay_add_suite: a suite as ctest tests. Part of the installed package (find_package(Assay)) and
# usable inside the tree.

set(ASSAY_SUITE_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}")

# assay_add_suite(NAME name SUITE file MODEL file
#                 [BASELINE file|none] [INCONCLUSIVE skip] [TIMEOUT seconds])
#
# Adds the tests
#   NAME.run     runs the suite once; fails if that leaves no evidence (exit 2, 3 or 5)
#   NAME.<cell>  one for each cell of the suite: reads the evidence and judges that cell
#   NAME.gate    judges the whole; fails on every exit but 0
# An inconclusive cell or gate fails, since ctest counts skipped tests as passed; INCONCLUSIVE skip
# shows it as skipped instead. TIMEOUT is for the run; without it ctest's own default holds.
# An empty value is an error; so is a NAME that begins with another and a dot, whose tests it could
# share. Relative paths are taken from the calling folder; MODEL and BASELINE may be made by the
# build and may be generator expressions. The evidence and reports lie in assay/NAME below the
# calling folder's build folder, new for each run of ctest; what was computed for the same model,
# samples and attack is taken from the store beside it.
function(assay_add_suite)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;SUITE;MODEL;BASELINE;INCONCLUSIVE;TIMEOUT" "")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "assay_add_suite: unknown argument ${arg_UNPARSED_ARGUMENTS}, allowed are "
      "NAME, SUITE, MODEL, BASELINE, INCONCLUSIVE, TIMEOUT")
  endif()
  # cmake_parse_arguments takes an empty value for none.
  foreach(key NAME SUITE MODEL BASELINE INCONCLUSIVE TIMEOUT)
    if(key IN_LIST ARGV AND "${arg_${key}}" STREQUAL "")
      message(FATAL_ERROR "assay_add_suite: ${key} is empty; is a variable unset?")
    endif()
  endforeach()
  foreach(needed NAME SUITE MODEL)
    if(NOT DEFINED arg_${needed})
      message(FATAL_ERROR "assay_add_suite: ${needed} is missing")
    endif()
  endforeach()
  if(NOT arg_NAME MATCHES "^[A-Za-z0-9_.-]+$" OR arg_NAME MATCHES "^\\.+$")
    message(FATAL_ERROR "assay_add_suite: NAME ${arg_NAME} has other characters than "
      "[A-Za-z0-9_.-], or dots only")
  endif()
  if(DEFINED arg_INCONCLUSIVE AND NOT arg_INCONCLUSIVE STREQUAL "skip")
    message(FATAL_ERROR
      "assay_add_suite: INCONCLUSIVE ${arg_INCONCLUSIVE}, allowed is skip; leave it out to fail")
  endif()
  if(DEFINED arg_TIMEOUT AND NOT arg_TIMEOUT MATCHES "^[0-9]+(\\.[0-9]+)?$")
    message(FATAL_ERROR "assay_add_suite: TIMEOUT ${arg_TIMEOUT} is not a number of seconds")
  endif()
  foreach(path SUITE MODEL BASELINE)
    if(DEFINED arg_${path} AND NOT arg_${path} MATCHES "^\\$<" AND NOT arg_${path} STREQUAL "none")
      cmake_path(ABSOLUTE_PATH arg_${path} BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    endif()
  endforeach()
  if(NOT EXISTS "${arg_SUITE}")
    message(FATAL_ERROR "assay_add_suite: there is no suite ${arg_SUITE}")
  endif()
  get_property(taken DIRECTORY PROPERTY ASSAY_SUITES)
  if(arg_NAME IN_LIST taken)
    message(FATAL_ERROR "assay_add_suite: the name ${arg_NAME} is taken already")
  endif()
  foreach(other IN LISTS taken)
    string(FIND "${other}." "${arg_NAME}." inside)
    string(FIND "${arg_NAME}." "${other}." outside)
    if(inside EQUAL 0 OR outside EQUAL 0)
      message(FATAL_ERROR "assay_add_suite: the names ${other} and ${arg_NAME} may give tests of "
        "one name: ${arg_NAME}.<cell>, ${other}.<cell>; let neither begin with the other and a dot")
    endif()
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY ASSAY_SUITES "${arg_NAME}")

  # A run takes all cores, so ctest shall run nothing beside it.
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/assay")
  # Which cells a suite has is asked when ctest starts, so that an edited suite needs no configure.
  set(tests "${folder}/${arg_NAME}-tests.cmake")
  set(baseline "")
  if(DEFINED arg_BASELINE)
    set(baseline "set(ASSAY_BASELINE [==[${arg_BASELINE}]==])\n")
  endif()
  set(settings "set(ASSAY_CMAKE [==[${CMAKE_COMMAND}]==])
set(ASSAY_PROGRAM [==[$<TARGET_FILE:Assay::assay>]==])
set(ASSAY_NAME [==[${arg_NAME}]==])
set(ASSAY_SUITE [==[${arg_SUITE}]==])
set(ASSAY_MODEL [==[${arg_MODEL}]==])
${baseline}set(ASSAY_OUT [==[${folder}/${arg_NAME}]==])
set(ASSAY_STORE [==[${folder}/store]==])
set(ASSAY_INCONCLUSIVE [==[${arg_INCONCLUSIVE}]==])
set(ASSAY_TIMEOUT [==[${arg_TIMEOUT}]==])
set(ASSAY_CORES ${cores})
set(ASSAY_SUITE_SCRIPTS [==[${ASSAY_SUITE_SCRIPTS}]==])
")
  set(discover "include([==[${ASSAY_SUITE_SCRIPTS}/AssaySuiteTests.cmake]==])\n")
  get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(multi_config)
    file(GENERATE OUTPUT "${folder}/${arg_NAME}-settings-$<CONFIG>.cmake" CONTENT "${settings}")
    file(WRITE "${tests}" "if(NOT CTEST_CONFIGURATION_TYPE)
  message(FATAL_ERROR \"several configurations were built; say which with ctest -C\")
endif()
set(ASSAY_SETTINGS \"${folder}/${arg_NAME}-settings-\${CTEST_CONFIGURATION_TYPE}.cmake\")
include(\"\${ASSAY_SETTINGS}\")
${discover}")
  else()
    file(GENERATE OUTPUT "${folder}/${arg_NAME}-settings.cmake" CONTENT "${settings}")
    file(WRITE "${tests}" "set(ASSAY_SETTINGS [==[${folder}/${arg_NAME}-settings.cmake]==])
include(\"\${ASSAY_SETTINGS}\")
${discover}")
  endif()
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${tests}")
endfunction()
