# `cmake --install`: library, header, program, pkg-config file, CMake package, licence.
include(CMakePackageConfigHelpers)

install(TARGETS program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS blackspot EXPORT blackspot LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/blackspot.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)

# find_package(blackspot) gives blackspot::blackspot.
set(PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/blackspot)
install(EXPORT blackspot NAMESPACE blackspot:: FILE blackspotConfig.cmake
  DESTINATION ${PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/blackspotConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/blackspotConfigVersion.cmake DESTINATION ${PACKAGE_DIR})

# The pkg-config file finds its prefix from its own place, so that an install can be moved.
file(RELATIVE_PATH UP_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/blackspot.pc.in blackspot.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/blackspot.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The manual page is the program's own help.
if(NOT BLACKSPOT_SANITIZE AND NOT CMAKE_CROSSCOMPILING)
  add_custom_command(OUTPUT blackspot.1 COMMAND program help --man > blackspot.1
    DEPENDS program VERBATIM)
  add_custom_target(manual ALL DEPENDS ${PROJECT_BINARY_DIR}/blackspot.1)
  install(FILES ${PROJECT_BINARY_DIR}/blackspot.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
