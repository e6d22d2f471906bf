# Configures the project with the attacks in FOLDER: they are in the table; without its YAML or its
# test an attack stops the configuration, which names the file, and so does a name taken twice.
function(configure dir out rc)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}" -B "${WORK}/build" -G "${GENERATOR}"
            "-DCMAKE_PREFIX_PATH=${LIBTORCH}" -DASSAY_TESTS=OFF "-DASSAY_ATTACK_DIRS=${dir}"
    OUTPUT_VARIABLE said ERROR_VARIABLE said RESULT_VARIABLE status)
  set(${out} "${said}" PARENT_SCOPE)
  set(${rc} "${status}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${WORK}")
configure("${FOLDER}" said status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "the configuration failed:\n${said}")
endif()
file(READ "${WORK}/build/generated/attack_table.cc" table)
if(NOT table MATCHES "add\\(attacks::simba::make\\(\\), \"simba\", \"[0-9a-f]+\"\\)")
  message(FATAL_ERROR "simba is not in the table:\n${table}")
endif()

# A header that it includes, directly or not, is part of its version; another one is not.
function(version_of_shared out)
  configure("${WORK}/shared" said status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "the configuration failed:\n${said}")
  endif()
  file(READ "${WORK}/build/generated/attack_table.cc" table)
  string(REGEX MATCH "\"simba\", \"[0-9a-f]+\"" version "${table}")
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

file(COPY "${FOLDER}/" DESTINATION "${WORK}/shared")
file(READ "${FOLDER}/simba.cc" source)
file(WRITE "${WORK}/shared/simba.cc" "#include \"parts/helper.h\"\n${source}")
file(WRITE "${WORK}/shared/parts/helper.h" "#include \"../deeper.h\"\n")
file(WRITE "${WORK}/shared/deeper.h" "inline int deeper() { return 1; }\n")
version_of_shared(first)
file(WRITE "${WORK}/shared/another.h" "inline int another() { return 1; }\n")
version_of_shared(again)
file(WRITE "${WORK}/shared/deeper.h" "inline int deeper() { return 2; }\n")
version_of_shared(changed)
if(NOT first STREQUAL again OR first STREQUAL changed)
  message(FATAL_ERROR "versions of simba: ${first}; ${again} with a header that it does not "
    "include; ${changed} after an edit of one that it does")
endif()

file(COPY "${FOLDER}/" DESTINATION "${WORK}/incomplete")
file(REMOVE "${WORK}/incomplete/simba.yaml")
configure("${WORK}/incomplete" said status)
if(status EQUAL 0 OR NOT said MATCHES "lacks[ \n]+[^\n]*simba.yaml")
  message(FATAL_ERROR "an attack without its YAML was taken (${status}):\n${said}")
endif()

file(COPY "${FOLDER}/" DESTINATION "${WORK}/untested")
file(REMOVE "${WORK}/untested/simba_test.cc")
configure("${WORK}/untested" said status)
if(status EQUAL 0 OR NOT said MATCHES "lacks[ \n]+[^\n]*simba_test.cc")
  message(FATAL_ERROR "an attack without its test was taken (${status}):\n${said}")
endif()

file(COPY "${FOLDER}/" DESTINATION "${WORK}/again")
configure("${FOLDER};${WORK}/again" said status)
if(status EQUAL 0 OR NOT said MATCHES "attack simba is defined twice[^.]*again/simba.cc")
  message(FATAL_ERROR "a name was taken twice (${status}):\n${said}")
endif()
