# The default: slab, inlined into malloc and free: libdmm.so, libdmm.a.
add_library(dmm_slab OBJECT ${CMAKE_CURRENT_LIST_DIR}/size_class.c ${CMAKE_CURRENT_LIST_DIR}/page_heap.c ${CMAKE_CURRENT_LIST_DIR}/page_purge.c ${CMAKE_CURRENT_LIST_DIR}/mapped.c ${CMAKE_CURRENT_LIST_DIR}/window.c ${CMAKE_CURRENT_LIST_DIR}/chunks.c ${CMAKE_CURRENT_LIST_DIR}/payload.c ${CMAKE_CURRENT_LIST_DIR}/walk.c ${CMAKE_CURRENT_LIST_DIR}/huge_page.c ${CMAKE_CURRENT_LIST_DIR}/slab.c ${CMAKE_CURRENT_LIST_DIR}/thread_cache.c
	${CMAKE_CURRENT_LIST_DIR}/thread.c ${CMAKE_CURRENT_LIST_DIR}/remote.c ${CMAKE_CURRENT_LIST_DIR}/large.c ${CMAKE_CURRENT_LIST_DIR}/alloc.c ${CMAKE_CURRENT_LIST_DIR}/purge.c ${CMAKE_CURRENT_LIST_DIR}/purger.c ${CMAKE_CURRENT_LIST_DIR}/predict.c ${CMAKE_CURRENT_LIST_DIR}/fork.c ${CMAKE_CURRENT_LIST_DIR}/orphan.c ${CMAKE_CURRENT_LIST_DIR}/settings.c ${CMAKE_CURRENT_LIST_DIR}/hardened.c
	${CMAKE_CURRENT_LIST_DIR}/canary.c ${CMAKE_CURRENT_LIST_DIR}/guarded.c ${CMAKE_CURRENT_LIST_DIR}/system.c ${CMAKE_CURRENT_LIST_DIR}/measure.c ${CMAKE_CURRENT_LIST_DIR}/perturb.c
	${CMAKE_CURRENT_LIST_DIR}/sampled.c ${CMAKE_CURRENT_LIST_DIR}/sampled_report.c)
target_link_libraries(dmm_slab PRIVATE dmm_malloc_flags)
set(DMM_OBJECTS $<TARGET_OBJECTS:dmm_slab> $<TARGET_OBJECTS:dmm_base> $<TARGET_OBJECTS:dmm_interpose>)
add_library(dmm_shared SHARED interpose/malloc_fast.c ${DMM_OBJECTS} $<TARGET_OBJECTS:dmm_dlopen>)
add_library(dmm_static STATIC interpose/malloc_fast.c ${DMM_OBJECTS})
target_link_libraries(dmm_shared PRIVATE dmm_malloc_flags)
target_link_libraries(dmm_static PRIVATE dmm_malloc_flags)
target_link_options(dmm_shared PRIVATE -Wl,--no-undefined -Wl,-z,now -Wl,-z,nodelete -Wl,-Bsymbolic-functions)
set_target_properties(dmm_shared dmm_static PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME dmm)
