# What `make install` puts where: the command, the libraries, headers, documents, and how others find them.
#
#   bin/dmm  lib/libdmm.so.0 (soname)  lib/libdmm.so, libdmm.a, libdmm-any.a (to link)
#   lib/libdmm-heaps.so.0, .so, .a   include/dmm.h: heaps beside malloc
#   lib/dmm  what only dmm loads or starts, or a program preloads by its path: the designs, libdmm-hardened.so, the recorder
include(CMakePackageConfigHelpers)

if(DMM_COMMAND)
	install(TARGETS dmm RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT command)
	install(TARGETS dmm-record LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/dmm COMPONENT command)
	install(TARGETS dmm-replayer RUNTIME DESTINATION ${CMAKE_INSTALL_LIBDIR}/dmm COMPONENT command)
endif()
install(TARGETS dmm_shared dmm_heaps_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
	NAMELINK_COMPONENT development)
install(TARGETS dmm_static dmm_heaps_static dmm-any ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
get_property(dmm_designs GLOBAL PROPERTY DMM_DROPINS)
list(TRANSFORM dmm_designs PREPEND dmm-)
install(TARGETS ${dmm_designs} dmm_hardened LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/dmm COMPONENT command)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
	FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT command)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT command FILES_MATCHING PATTERN "*.md"
	PATTERN man EXCLUDE)
install(FILES examples/my_system.c DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT development)

# gdb looks for its commands below its data directory, by the whole path of the library.
install(CODE "file(INSTALL TYPE FILE RENAME libdmm.so.${PROJECT_VERSION}-gdb.py
	DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/gdb/auto-load\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}\"
	FILES \"${CMAKE_CURRENT_SOURCE_DIR}/src/gdb/libdmm-gdb.py\")" COMPONENT development)

# pkg-config: `cc program.c $(pkg-config --cflags --libs dmm)`
file(RELATIVE_PATH dmm_prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" dmm_prefix_from_pc "${dmm_prefix_from_pc}")
foreach(pc dmm dmm-heaps)
	configure_file(cmake/${pc}.pc.in ${pc}.pc @ONLY)
	install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${pc}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
		COMPONENT development)
endforeach()

# CMake: find_package(dmm), then dmm::dmm, dmm::static, or dmm::any for a system of one's own.
get_target_property(dmm_soversion dmm_shared SOVERSION)
configure_package_config_file(cmake/dmmConfig.cmake.in dmmConfig.cmake
	INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dmm
	PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(dmmConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/dmmConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/dmmConfigVersion.cmake
	DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dmm COMPONENT development)

# Manual pages and completions: the command fills in what it knows of itself.
if(NOT DMM_COMMAND)
	return()
endif()
set(dmm_filled_dir ${CMAKE_CURRENT_BINARY_DIR}/filled)
file(MAKE_DIRECTORY ${dmm_filled_dir})
function(dmm_fill out destination)
	set(path ${dmm_filled_dir}/${out})
	add_custom_command(OUTPUT ${path} DEPENDS dmm ${ARG_DEPENDS} COMMAND dmm ${ARGN} VERBATIM)
	set_property(GLOBAL APPEND PROPERTY DMM_FILLED ${path})
	install(FILES ${path} DESTINATION ${destination} COMPONENT command)
endfunction()
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
	message(STATUS "this machine cannot run the dmm that it builds: no manual pages and completions")
else()
	file(GLOB dmm_pages CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/docs/manual/man/roff/*.in)
	foreach(page ${dmm_pages})
		get_filename_component(name ${page} NAME_WLE)
		string(REGEX REPLACE "^dmm-?([a-z]*).*" "\\1" about "${name}")
		string(REGEX REPLACE ".*\\." "" section "${name}")
		if(about STREQUAL "")
			set(about none)
		endif()
		set(ARG_DEPENDS ${page})
		dmm_fill(${name} ${CMAKE_INSTALL_MANDIR}/man${section} manual ${about} ${page} ${dmm_filled_dir}/${name})
	endforeach()
	set(ARG_DEPENDS)
	dmm_fill(dmm ${CMAKE_INSTALL_DATADIR}/bash-completion/completions completion bash -o ${dmm_filled_dir}/dmm)
	dmm_fill(_dmm ${CMAKE_INSTALL_DATADIR}/zsh/site-functions completion zsh -o ${dmm_filled_dir}/_dmm)
	dmm_fill(dmm.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d completion fish -o ${dmm_filled_dir}/dmm.fish)
	get_property(dmm_filled GLOBAL PROPERTY DMM_FILLED)
	add_custom_target(filled ALL DEPENDS ${dmm_filled})
endif()
