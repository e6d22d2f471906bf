# How rooms, attacks and the program are put together. Sources are globbed: adding a file needs no
# edit here.

add_library(assay_options INTERFACE)
target_include_directories(assay_options INTERFACE "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>")
target_compile_features(assay_options INTERFACE cxx_std_20)
target_compile_options(assay_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage> -Wno-missing-field-initializers
  $<$<BOOL:${ASSAY_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms of g++ 12 on std::string concatenation (GCC bugs 105329 and 105651).
  target_compile_options(assay_options INTERFACE -Wno-restrict -Wno-stringop-overflow)
endif()
if(ASSAY_SANITIZE)
  target_compile_options(assay_options INTERFACE -fsanitize=address,undefined
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(assay_options INTERFACE -fsanitize=address,undefined)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With it g++ finds std::regex uninitialised (GCC bug 105562).
    target_compile_options(assay_options INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()

find_program(ASSAY_CCACHE ccache)
if(ASSAY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros;${ASSAY_CCACHE}")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND ASSAY_CCACHE)
  add_compile_options(-fpch-preprocess)
endif()

# Where whole builds are made (ASSAY_UNITY), sources are compiled several at a time, which saves
# half or more: most of a file's time goes in headers and templates that its neighbours need too.
# For that names in one room's unnamed namespaces are unique, as a test of tidy sees to; attacks,
# each of which has its own `Settings` and `bind`, have a namespace each.
function(assay_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${ASSAY_UNITY} UNITY_BUILD_BATCH_SIZE 32)
endfunction()

# assay_room(NAME FOLDER LINKS...): a static library assay_NAME of all .cc files in the folder.
function(assay_room name folder)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cc")
  if(NOT sources)
    message(WARNING "room ${folder} has no sources")
    return()
  endif()
  add_library(assay_${name} STATIC ${sources})
  target_link_libraries(assay_${name} PUBLIC ${ARGN} assay_options Threads::Threads)
  set_target_properties(assay_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  assay_unity(assay_${name})
  # One precompiled header for the rooms without LibTorch, one for those with it. (Not in reports:
  # with one, g++ 12 warns there of overflows inside std::string that are none.)
  if(name STREQUAL "suite")
    target_precompile_headers(assay_suite PRIVATE <nlohmann/json.hpp> <filesystem> <functional>
      <iostream> <set> <sstream>)
  elseif(name STREQUAL "model")
    target_precompile_headers(assay_model PRIVATE <ATen/ATen.h>)
  elseif(name STREQUAL "run")
    target_precompile_headers(assay_run REUSE_FROM assay_model)
  elseif(NOT name STREQUAL "reports")
    target_precompile_headers(assay_${name} REUSE_FROM assay_suite)
  endif()
endfunction()

# Sets OUT to a digest of FILES, and has CMake run again when one of them changes.
function(assay_digest out)
  set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  set(digests "")
  foreach(file IN LISTS ARGN)
    file(SHA256 "${file}" digest)
    string(APPEND digests "${digest}")
  endforeach()
  string(SHA256 version "${digests}")
  string(SUBSTRING "${version}" 0 16 version)
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

# Defines MACRO for one source file as a digest of SOURCES, relative to the project.
function(assay_version macro file)
  list(TRANSFORM ARGN PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE sources)
  assay_digest(version ${sources})
  set_property(SOURCE "${PROJECT_SOURCE_DIR}/${file}" APPEND PROPERTY
    COMPILE_DEFINITIONS "${macro}=\"${version}\"")
endfunction()

# Versions of the code that a stored result follows from; with another one it is computed anew. The
# monitors' is a digest of their room, that of trainings one of what a shadow, a surrogate, an API's
# answers to a thief, noise that he sends and the judge's look at a last layer follow from, and that
# of thefts one of how they are run, measured, replayed through monitors and added up.
function(assay_versions)
  file(GLOB monitor CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" harness/monitor/*.cc
       harness/monitor/*.h)
  assay_version(ASSAY_MONITOR_VERSION harness/monitor/table.cc ${monitor}
                harness/suite/splitmix.h)
  set(training)
  foreach(part architecture architecture_digest extraction forward generator head kept_values
          max_pool network optimizer probe rng shadow surrogate victim)
    list(APPEND training harness/model/${part}.cc harness/model/${part}.h)
  endforeach()
  list(APPEND training harness/suite/splitmix.h)
  assay_version(ASSAY_TRAINING_VERSION harness/model/shadow.cc ${training})
  assay_version(ASSAY_THEFT_VERSION harness/run/keys.cc harness/run/steals.cc harness/run/steals.h
                harness/run/replays.cc harness/run/replays.h harness/run/score_heist.cc
                harness/run/shadows.cc harness/run/shadows.h)
  # The code through which every verdict goes: models, oracle, balls, judge. Data are known by what
  # they hold.
  file(GLOB judging CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" harness/model/*.cc
       harness/model/*.h)
  list(FILTER judging EXCLUDE REGEX "/(csv|dataset|image)[a-z_]*[.]")
  foreach(part chances judge outputs probes stages supply)
    list(APPEND judging harness/run/${part}.cc harness/run/${part}.h)
  endforeach()
  list(APPEND judging harness/run/unit.cc harness/suite/splitmix.h harness/suite/threat.cc)
  assay_version(ASSAY_JUDGING_VERSION harness/run/keys.cc ${judging})
  # Scores of members, which records shadows have seen, and what the statistics say of the shadows.
  set(scoring harness/gate/delong.cc harness/gate/random.h harness/gate/roc_internal.h
      harness/suite/splitmix.h)
  foreach(part gate/membership gate/roc gate/statistics gate/text run/audit run/likeness
          run/offset run/score)
    list(APPEND scoring harness/${part}.cc harness/${part}.h)
  endforeach()
  assay_version(ASSAY_SCORING_VERSION harness/run/keys.cc ${scoring})
endfunction()

# Appends the entries of an attack's YAML, with the defaults they rest on, to `examples` as C++.
macro(assay_example yaml name)
  set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${yaml}")
  file(READ "${yaml}" text)
  string(REGEX MATCH
    "\n(defaults:[^\n]*\n([ #-][^\n]*\n)*)?attacks:\n([ #-][^\n]*\n)+" example "${text}")
  if(example STREQUAL "")
    message(FATAL_ERROR "${yaml} has no entries: no line `attacks:`, or none below it")
  endif()
  string(APPEND examples "      {\"${name}\", R\"yaml(${example})yaml\"},\n")
endmacro()

# Sets OUT to FILE and the files that it includes from beside itself, and these from beside
# themselves: an attack outside the tree may share headers with others.
function(assay_closure out file)
  set(found "${file}")
  set(open "${file}")
  while(open)
    list(POP_FRONT open each)
    get_filename_component(folder "${each}" DIRECTORY)
    file(STRINGS "${each}" lines REGEX "^[ \t]*#[ \t]*include[ \t]*\"[^\"]+\"")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[^\"]*\"([^\"]+)\".*" "\\1" name "${line}")
      get_filename_component(beside "${name}" ABSOLUTE BASE_DIR "${folder}")
      if(EXISTS "${beside}" AND NOT beside IN_LIST found)
        list(APPEND found "${beside}")
        list(APPEND open "${beside}")
      endif()
    endforeach()
  endwhile()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# Collects attacks/{evasion,membership,extraction}/*.cc and ASSAY_ATTACK_DIRS, checks that each has
# its YAML and its test, and writes the table. Sets ASSAY_ATTACK_TESTS for tests/.
function(assay_attacks)
  set(root "${PROJECT_SOURCE_DIR}/attacks")
  file(GLOB inside CONFIGURE_DEPENDS "${root}/evasion/*.cc" "${root}/membership/*.cc"
       "${root}/extraction/*.cc")
  file(GLOB math CONFIGURE_DEPENDS "${root}/math/*.cc")
  file(GLOB math_all CONFIGURE_DEPENDS "${root}/math/*.cc" "${root}/math/*.h")
  set(outside)
  foreach(dir IN LISTS ASSAY_ATTACK_DIRS)
    get_filename_component(dir "${dir}" ABSOLUTE BASE_DIR "${CMAKE_BINARY_DIR}")
    if(NOT IS_DIRECTORY "${dir}")
      message(FATAL_ERROR "ASSAY_ATTACK_DIRS: ${dir} is not a folder")
    endif()
    file(GLOB found CONFIGURE_DEPENDS "${dir}/*.cc")
    list(FILTER found EXCLUDE REGEX "_test\\.cc$")
    if(NOT found)
      message(FATAL_ERROR
        "ASSAY_ATTACK_DIRS: ${dir} has no attack (NAME.cc, NAME.yaml, NAME_test.cc)")
    endif()
    list(APPEND outside ${found})
  endforeach()

  set(names)
  set(tests)
  set(configs)
  set(declarations "")
  set(entries "")
  set(examples "")
  assay_example("${PROJECT_SOURCE_DIR}/configs/attacks/ensemble.yaml" ensemble)
  foreach(source IN LISTS inside outside)
    get_filename_component(name "${source}" NAME_WE)
    get_filename_component(folder "${source}" DIRECTORY)
    if(name IN_LIST names)
      message(FATAL_ERROR "attack ${name} is defined twice; the second time in ${source}")
    endif()
    list(APPEND names "${name}")
    if(source IN_LIST inside)
      get_filename_component(family "${folder}" NAME)
      set(yaml "${PROJECT_SOURCE_DIR}/configs/attacks/${name}.yaml")
      set(test "${PROJECT_SOURCE_DIR}/tests/attacks/${family}/${name}_test.cc")
    else()
      set(yaml "${folder}/${name}.yaml")
      set(test "${folder}/${name}_test.cc")
    endif()
    foreach(needed "${yaml}" "${test}")
      if(NOT EXISTS "${needed}")
        message(FATAL_ERROR "attack ${name} (${source}) lacks ${needed}")
      endif()
    endforeach()
    list(APPEND tests "${test}")
    list(APPEND configs "${yaml}")
    assay_example("${yaml}" "${name}")
    assay_closure(sources "${source}")
    assay_digest(version ${sources} ${math_all})
    string(APPEND declarations "namespace ${name} { Attack make(); }\n")
    string(APPEND entries "  add(attacks::${name}::make(), \"${name}\", \"${version}\");\n")
  endforeach()
  list(LENGTH names count)
  set(ASSAY_DECLARATIONS "${declarations}")
  set(ASSAY_ENTRIES "${entries}")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/attack_table.cc.in"
                 "${PROJECT_BINARY_DIR}/generated/attack_table.cc" @ONLY)
  set(ASSAY_EXAMPLES "${examples}")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/attack_examples.cc.in"
                 "${PROJECT_BINARY_DIR}/generated/attack_examples.cc" @ONLY)
  add_library(assay_attacks STATIC ${inside} ${outside} ${math}
    "${PROJECT_BINARY_DIR}/generated/attack_table.cc")
  target_link_libraries(assay_attacks PUBLIC assay_model Eigen3::Eigen)
  target_precompile_headers(assay_attacks REUSE_FROM assay_model)
  set_target_properties(assay_attacks PROPERTIES POSITION_INDEPENDENT_CODE ON)
  assay_unity(assay_attacks)
  # Attacks outside may have any names, and who links another table must not get this one.
  set_source_files_properties(${outside} "${PROJECT_BINARY_DIR}/generated/attack_table.cc"
    PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set(ASSAY_ATTACK_TESTS "${tests}" PARENT_SCOPE)
  set(ASSAY_ATTACK_CONFIGS "${configs}" PARENT_SCOPE)
  message(STATUS "Assay: ${count} attacks: ${names}")
endfunction()

function(assay_program)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/harness/cli/*.cc")
  if(NOT sources)
    return()
  endif()
  add_executable(assay ${sources} "${PROJECT_BINARY_DIR}/generated/attack_examples.cc")
  target_link_libraries(assay PRIVATE assay_run assay_attacks assay_reports CLI11::CLI11)
  target_compile_definitions(assay PRIVATE ASSAY_VERSION="${PROJECT_VERSION}")
  target_compile_options(assay PRIVATE -O1)  # the time goes in the rooms; compile this fast
  if(NOT ASSAY_UNITY)  # for one source or two it would cost more than it saves
    target_precompile_headers(assay PRIVATE <ATen/ATen.h> <CLI/CLI.hpp> <nlohmann/json.hpp>)
  endif()
  set_target_properties(assay PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
  assay_unity(assay)
endfunction()
