# What `cmake --install` lays: the program, the package that find_package(Assay) finds, the suites.
# The program keeps using the LibTorch that it was built with, at the same place.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(ASSAY_INSTALL_PACKAGE "${CMAKE_INSTALL_LIBDIR}/cmake/Assay")
set(ASSAY_INSTALL_CONFIGS "${CMAKE_INSTALL_DATADIR}/assay/configs")

add_executable(Assay::assay ALIAS assay)  # the name it has in the package
set_target_properties(assay PROPERTIES INSTALL_RPATH "${LibTorch_ROOT_DIR}/lib")
install(TARGETS assay EXPORT AssayTargets RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(EXPORT AssayTargets NAMESPACE Assay:: DESTINATION "${ASSAY_INSTALL_PACKAGE}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/AssayConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/generated/AssayConfig.cmake"
  INSTALL_DESTINATION "${ASSAY_INSTALL_PACKAGE}" PATH_VARS ASSAY_INSTALL_CONFIGS)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/generated/AssayConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/generated/AssayConfig.cmake"
  "${PROJECT_BINARY_DIR}/generated/AssayConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/AssaySuite.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/AssaySuiteRun.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/AssaySuiteTests.cmake"
  DESTINATION "${ASSAY_INSTALL_PACKAGE}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/configs/" DESTINATION "${ASSAY_INSTALL_CONFIGS}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
