# libdmm-heaps: heaps of a program's own (include/dmm.h), beside whatever malloc it has.
add_library(dmm_heaps_own OBJECT heaps/heaps.c heaps/region.c heaps/snapshot.c)
target_link_libraries(dmm_heaps_own PRIVATE dmm_malloc_flags)
set(DMM_HEAPS $<TARGET_OBJECTS:dmm_heaps_own> $<TARGET_OBJECTS:dmm_systems> $<TARGET_OBJECTS:dmm_heap>
	$<TARGET_OBJECTS:dmm_base>)
add_library(dmm_heaps_shared SHARED ${DMM_HEAPS})
set(DMM_HEAPS_EXPORTS ${CMAKE_CURRENT_SOURCE_DIR}/heaps/libdmm-heaps.map)
target_link_options(dmm_heaps_shared PRIVATE -Wl,--no-undefined -Wl,-z,now -Wl,-Bsymbolic-functions
	-Wl,--gc-sections -Wl,--version-script=${DMM_HEAPS_EXPORTS})
set_target_properties(dmm_heaps_shared PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME dmm-heaps
	VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${DMM_HEAPS_EXPORTS})
# In the archive the other names of ours must not meet those of libdmm.a in one program: they become local.
add_custom_command(OUTPUT dmm-heaps.o VERBATIM COMMAND_EXPAND_LISTS DEPENDS ${DMM_HEAPS}
	COMMAND ${CMAKE_LINKER} -r -o dmm-heaps.o ${DMM_HEAPS}
	COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=dmm_heap_* dmm-heaps.o)
add_library(dmm_heaps_static STATIC ${CMAKE_CURRENT_BINARY_DIR}/dmm-heaps.o)
set_target_properties(dmm_heaps_static PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME dmm-heaps)
