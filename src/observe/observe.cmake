# What looks at heaps.  The encoder of recordings serves the recorder, inside the recorded program,
# and the lab's writer.
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET GLOBAL libzstd)
find_library(DMM_ZSTD_STATIC libzstd.a REQUIRED)

# libdmm-record.so: needs libc and nothing else; zstd is inside, its names hidden.
add_library(dmm-record SHARED observe/record.c observe/record_new.c observe/record_real.c
	observe/record_tape.c observe/record_flush.c observe/record_store.c observe/record_file.c observe/record_meta.c
	observe/record_maps.c observe/record_stack.c observe/record_lost.c observe/record_switch.c observe/record_rights.c
	observe/record_climb.c observe/record_fork.c observe/record_total.c observe/record_where.c observe/record_place.c
	observe/record_exit.c observe/record_python.c observe/python_find.c
	observe/python_memory.c observe/python_names.c observe/trace_encode.c observe/trace_slot.c
	$<TARGET_OBJECTS:dmm_base> ${DMM_DLOPEN})
target_link_libraries(dmm-record PRIVATE dmm_malloc_flags ${DMM_ZSTD_STATIC})
target_compile_options(dmm-record PRIVATE -fno-omit-frame-pointer -O2)
target_link_options(dmm-record PRIVATE -Wl,--no-undefined -Wl,--exclude-libs,ALL -Wl,-z,now
	-Wl,-z,nodelete)
