# Slab's heap from outside: dmm show --pid and --core, dmm top.
add_executable(outside_target outside/target.c)
add_executable(outside_static outside/target.c)
set_target_properties(outside_target outside_static PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_link_libraries(outside_target PRIVATE dmm_flags Threads::Threads)
target_link_libraries(outside_static PRIVATE dmm_flags dmm_static Threads::Threads ${DMM_STATIC_LINK})
if(NOT DMM_SANITIZE AND NOT DMM_COVERAGE)
	add_test(NAME outside_view COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/outside/outside_test.py ${CMAKE_BINARY_DIR})
	set_tests_properties(outside_view PROPERTIES TIMEOUT 200)
	add_test(NAME top_keys COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/outside/top_keys ${CMAKE_BINARY_DIR})
	set_tests_properties(top_keys PROPERTIES TIMEOUT 100 SKIP_RETURN_CODE 77)
endif()
add_executable(slab_drawing outside/slab_drawing.c ${CMAKE_SOURCE_DIR}/lab/show/draw_slab.c
	${CMAKE_SOURCE_DIR}/lab/show/draw_slab_map.c ${CMAKE_SOURCE_DIR}/lab/draw/look.c ${CMAKE_SOURCE_DIR}/lab/draw/snapshot.c)
set_target_properties(slab_drawing PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_link_libraries(slab_drawing PRIVATE dmm_lab)
add_test(NAME slab_is_drawn_as_before COMMAND sh -c
	"[ -z \"$UPDATE\" ] || $<TARGET_FILE:slab_drawing> >${CMAKE_CURRENT_SOURCE_DIR}/golden/slab.txt
	$<TARGET_FILE:slab_drawing> | diff -u ${CMAKE_CURRENT_SOURCE_DIR}/golden/slab.txt -")
