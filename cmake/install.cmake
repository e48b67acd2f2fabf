# What `make install` puts where: the command, the libraries, headers, documents, and how others find them.
#
#   bin/dmm  lib/libdmm.so.0 (soname)  lib/libdmm.so, libdmm.a, libdmm-any.a (to link)
#   lib/dmm  what only dmm loads or starts, or a program preloads by its path: the designs, the recorder
include(CMakePackageConfigHelpers)

install(TARGETS dmm RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT command)
install(TARGETS dmm_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
	NAMELINK_COMPONENT development)
install(TARGETS dmm_static dmm-any ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
get_property(dmm_designs GLOBAL PROPERTY DMM_DROPINS)
list(TRANSFORM dmm_designs PREPEND dmm-)
install(TARGETS ${dmm_designs} dmm-record LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/dmm COMPONENT command)
install(TARGETS dmm-replayer RUNTIME DESTINATION ${CMAKE_INSTALL_LIBDIR}/dmm COMPONENT command)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
	FILES_MATCHING PATTERN "*.h")
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT command)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT command FILES_MATCHING PATTERN "*.md")
install(FILES examples/my_system.c DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT development)

# pkg-config: `cc program.c $(pkg-config --cflags --libs dmm)`
file(RELATIVE_PATH dmm_prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" dmm_prefix_from_pc "${dmm_prefix_from_pc}")
configure_file(cmake/dmm.pc.in dmm.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dmm.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# CMake: find_package(dmm), then dmm::dmm, dmm::static, or dmm::any for a system of one's own.
get_target_property(dmm_soversion dmm_shared SOVERSION)
configure_package_config_file(cmake/dmmConfig.cmake.in dmmConfig.cmake
	INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dmm
	PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(dmmConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dmmConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/dmmConfigVersion.cmake
	DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dmm COMPONENT development)
