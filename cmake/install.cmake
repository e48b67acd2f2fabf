# What `make install` puts where: the command, the libraries, headers, and how others find them.
include(CMakePackageConfigHelpers)

get_property(dmm_installed GLOBAL PROPERTY DMM_DROPINS)
list(TRANSFORM dmm_installed PREPEND dmm-)
foreach(target dmm-record dmm-any dmm_shared dmm_static slab)
	if(TARGET ${target})
		list(APPEND dmm_installed ${target})
	endif()
endforeach()
list(REMOVE_DUPLICATES dmm_installed)

install(TARGETS dmm RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS ${dmm_installed}
	LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
	ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES examples/my_system.c DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# pkg-config: `cc program.c $(pkg-config --cflags --libs dmm)`
file(RELATIVE_PATH dmm_prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" dmm_prefix_from_pc "${dmm_prefix_from_pc}")
configure_file(cmake/dmm.pc.in dmm.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dmm.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# CMake: find_package(dmm), then dmm::dmm, or dmm::any for a system of one's own.
configure_package_config_file(cmake/dmmConfig.cmake.in dmmConfig.cmake
	INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dmm
	PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(dmmConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dmmConfig.cmake
	${CMAKE_CURRENT_BINARY_DIR}/dmmConfigVersion.cmake
	DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dmm)

# Man pages are made where scdoc is; nothing else needs it.
find_program(DMM_SCDOC scdoc)
if(DMM_SCDOC)
	file(GLOB dmm_pages CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/docs/manual/*.1.scd)
	foreach(page ${dmm_pages})
		get_filename_component(name ${page} NAME_WLE)
		set(made ${CMAKE_CURRENT_BINARY_DIR}/man/${name})
		add_custom_command(OUTPUT ${made} DEPENDS ${page} VERBATIM
			COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/man
			COMMAND sh -c "'${DMM_SCDOC}' <'${page}' >'${made}'")
		list(APPEND dmm_made ${made})
		install(FILES ${made} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
	endforeach()
	add_custom_target(man ALL DEPENDS ${dmm_made})
endif()
