# What `cmake --install` adds to the program and the libraries: headers, and the package that find_package(epass) reads.
# Headers keep their folders, below include/epass, so `#include "ir/function.h"` means the same in and out of the tree.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/epass)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/epass
  FILES_MATCHING PATTERN *.h PATTERN *.def PATTERN tool EXCLUDE)
install(EXPORT epassTargets NAMESPACE epass:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/epassConfig.cmake.in ${PROJECT_BINARY_DIR}/epassConfig.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/epassConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/epassConfig.cmake ${PROJECT_BINARY_DIR}/epassConfigVersion.cmake
  DESTINATION ${package_dir})

# The manual page and the completion come from the program itself.
if(NOT CMAKE_CROSSCOMPILING)
  foreach(text man bash-completion)
    install(CODE "execute_process(COMMAND \"$<TARGET_FILE:epass>\" help ${text}
      OUTPUT_FILE \"${PROJECT_BINARY_DIR}/epass.${text}\" COMMAND_ERROR_IS_FATAL ANY)")
  endforeach()
  install(FILES ${PROJECT_BINARY_DIR}/epass.man DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 RENAME epass.1)
  install(FILES ${PROJECT_BINARY_DIR}/epass.bash-completion
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME epass)
endif()
