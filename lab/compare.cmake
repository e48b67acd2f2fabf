# Running programs on allocators, measuring them, and telling it: what run, compare and bench share.
target_sources(dmm_lab PRIVATE
	allocators.c
	compare.c
	compare_json.c
	compare_print.c
	conf_file.c
	digest.c
	elf_file.c
	json.c
	launch.c
	linked.c
	measure.c
	peers.c
	proof.c
	provenance.c
	settings.c
	stats.c
	systems.c
	table.c
	tree.c
	units.c
	warm.c
)
target_link_libraries(dmm_lab PUBLIC m)

# From where the command is to where the libraries are, once installed.
file(RELATIVE_PATH lib_from_bin ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set_source_files_properties(provenance.c PROPERTIES COMPILE_DEFINITIONS
	DMM_VERSION="${PROJECT_VERSION}")
set_source_files_properties(systems.c PROPERTIES COMPILE_DEFINITIONS
	DMM_LIB_FROM_BIN="${lib_from_bin}")
