# The default: slab, inlined into malloc and free: libdmm.so, libdmm.a.
set(slab_files
	alloc.c
	canary.c
	canary_fork.c
	chunks.c
	fork.c
	guard_large.c
	guarded.c
	guarded_report.c
	hardened.c
	hardened_cache.c
	heap.c
	huge_page.c
	init.c
	large.c
	learned.c
	mapped.c
	measure.c
	misuse.c
	origin.c
	orphan.c
	page_heap.c
	page_purge.c
	payload.c
	place.c
	perturb.c
	predict.c
	profile.c
	profile_draw.c
	purge.c
	purger.c
	quarantine.c
	remote.c
	room.c
	root.c
	settings.c
	size_class.c
	slab.c
	system.c
	thread.c
	thread_cache.c
	walk.c
	window.c
)
list(TRANSFORM slab_files PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
add_library(dmm_slab OBJECT ${slab_files})
target_link_libraries(dmm_slab PRIVATE dmm_malloc_flags)
set(DMM_OBJECTS $<TARGET_OBJECTS:dmm_slab> $<TARGET_OBJECTS:dmm_base> $<TARGET_OBJECTS:dmm_interpose>)
set(DMM_FAST interpose/malloc_fast.c interpose/stats.c interpose/stats_text.c interpose/report.c
	interpose/profile.c interpose/code_maps.c interpose/gzip_out.c)
add_library(dmm_shared SHARED ${DMM_FAST} ${DMM_OBJECTS} ${DMM_DLOPEN})
add_library(dmm_static STATIC ${DMM_FAST} ${DMM_OBJECTS})
target_link_libraries(dmm_shared PRIVATE dmm_malloc_flags)
target_link_libraries(dmm_static PRIVATE dmm_malloc_flags)
set(DMM_EXPORTS ${CMAKE_CURRENT_SOURCE_DIR}/interpose/libdmm.map)
target_link_options(dmm_shared PRIVATE -Wl,--no-undefined -Wl,-z,now -Wl,-z,nodelete -Wl,-Bsymbolic-functions
	-Wl,--version-script=${DMM_EXPORTS})
set_target_properties(dmm_shared dmm_static PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME dmm)
# What small programs execute lies together.  GNU ld and lld add this script to their own; with a linker that
# does not (mold, gold), a process has up to 200 KiB more of the library resident.
include(CheckCSourceCompiles)
set(DMM_ORDER ${CMAKE_CURRENT_SOURCE_DIR}/interpose/libdmm.ld)
# By alignment: the page of settings comes first among the variables, and no hole remains before it.
set(DMM_ORDER_OPTION -Wl,-T,${DMM_ORDER},--sort-section=alignment)
# The check links a program, but with the options of libraries, which may name another linker. It calls a
# function, since lld adds nothing after a section that is not there, such as .plt.
separate_arguments(options NATIVE_COMMAND "${CMAKE_SHARED_LINKER_FLAGS}")
set(CMAKE_REQUIRED_LINK_OPTIONS ${options} ${DMM_ORDER_OPTION})
check_c_source_compiles("#include <stdio.h>
	int main(void) { return puts(\"\"); }" DMM_LINKER_TAKES_ORDER FAIL_REGEX "warning: .*(unknown|unrecognized|ignor)")
unset(CMAKE_REQUIRED_LINK_OPTIONS)
if(NOT DMM_LINKER_TAKES_ORDER)
	set(DMM_ORDER_OPTION "")
endif()
target_link_options(dmm_shared PRIVATE ${DMM_ORDER_OPTION})
# libdmm.so.0: the number rises when a program that was linked with the library would not run on the new one
# (test/dropin/abi compares).
# gdb loads its commands of that name beside the library.
configure_file(gdb/libdmm-gdb.py ${CMAKE_BINARY_DIR}/libdmm.so.${PROJECT_VERSION}-gdb.py COPYONLY)
set_target_properties(dmm_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0
	LINK_DEPENDS "${DMM_EXPORTS};${DMM_ORDER}")

# The same with hardened settings, and with copies that look up the object they write to (interpose/copy.c).
file(READ ${DMM_EXPORTS} exports)
string(REPLACE "local:" "\t/* copies that look up their object (interpose/copy.c) */
	memcpy; memmove; mempcpy; memset; strcpy; stpcpy; strcat; strncpy; stpncpy; strncat;
	sprintf; snprintf; vsprintf; vsnprintf;
	__memcpy_chk; __memmove_chk; __mempcpy_chk; __memset_chk; __strcpy_chk; __stpcpy_chk; __strcat_chk;
	__strncpy_chk; __stpncpy_chk; __strncat_chk; __sprintf_chk; __snprintf_chk; __vsprintf_chk; __vsnprintf_chk;
local:" exports "${exports}")
set(DMM_HARDENED_EXPORTS ${CMAKE_CURRENT_BINARY_DIR}/libdmm-hardened.map)
file(CONFIGURE OUTPUT ${DMM_HARDENED_EXPORTS} CONTENT "${exports}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${DMM_EXPORTS})
add_library(dmm_hardened SHARED ${DMM_FAST} interpose/copy.c ${DMM_OBJECTS} ${DMM_DLOPEN})
target_link_libraries(dmm_hardened PRIVATE dmm_malloc_flags)
set_source_files_properties(interpose/copy.c PROPERTIES COMPILE_OPTIONS "-fno-builtin;-U_FORTIFY_SOURCE")
target_link_options(dmm_hardened PRIVATE -Wl,--no-undefined -Wl,-z,now -Wl,-z,nodelete -Wl,-Bsymbolic-functions
	-Wl,--wrap=memcpy -Wl,--wrap=memmove -Wl,--wrap=memset -Wl,--version-script=${DMM_HARDENED_EXPORTS} ${DMM_ORDER_OPTION})
set_target_properties(dmm_hardened PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME dmm-hardened
	LINK_DEPENDS "${DMM_HARDENED_EXPORTS};${DMM_ORDER}")
