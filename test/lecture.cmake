# The lecture's drawings, byte for byte.
function(dmm_golden_test NAME SYSTEM)
	add_test(NAME golden_${NAME} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lecture_golden $<TARGET_FILE:dmm>
		${CMAKE_CURRENT_SOURCE_DIR}/golden/demo-${NAME}.txt ${SYSTEM} ${ARGN})
	set_tests_properties(golden_${NAME} PROPERTIES TIMEOUT 60)
endfunction()
foreach(system minimal pad list dlist bins vm gnu segdata segmeta)
	dmm_golden_test(${system} ${system})
endforeach()
dmm_golden_test(narrow-ascii dlist --width=40 --ascii)

# The benchmark patterns compute the same under every malloc.
if(NOT DMM_SANITIZE)
	add_test(NAME patterns_agree COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lecture_patterns
		$<TARGET_FILE:dmm-patterns> $<TARGET_FILE:dmm-gnu> ${CMAKE_BINARY_DIR}/libdmm.so)
	set_tests_properties(patterns_agree PROPERTIES TIMEOUT 300)
endif()
add_test(NAME show_step COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lecture_step $<TARGET_FILE:dmm>)
set_tests_properties(show_step PROPERTIES TIMEOUT 60 SKIP_RETURN_CODE 77)

# The lecture's claims, each measured again; instrumented code has other costs.
if(NOT DMM_SANITIZE AND NOT DMM_COVERAGE)
	add_test(NAME claims COMMAND ${CMAKE_SOURCE_DIR}/tools/claims --check $<TARGET_FILE:dmm>)
	set_tests_properties(claims PROPERTIES TIMEOUT 300)
endif()

# What the appendix's techniques do to space.
add_test(NAME options_and_space COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/options_test.py $<TARGET_FILE:dmm>)
set_tests_properties(options_and_space PROPERTIES TIMEOUT 300)

# A recording's heap, drawn: byte for byte, and walked by keys.
function(dmm_show_test NAME SYSTEM)
	add_test(NAME show_${NAME} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/show_golden $<TARGET_FILE:dmm>
		${CMAKE_CURRENT_SOURCE_DIR}/golden/show-${NAME}.txt ${CMAKE_CURRENT_SOURCE_DIR}/recordings/sqlite3.dmm
		${SYSTEM} ${ARGN})
	set_tests_properties(show_${NAME} PROPERTIES TIMEOUT 60)
endfunction()
foreach(system minimal pad list dlist bins vm gnu segdata segmeta)
	dmm_show_test(${system} ${system})
endforeach()
dmm_show_test(narrow-ascii bins --width=40 --ascii)
if(NOT DMM_SANITIZE AND NOT DMM_COVERAGE) # links libdmm-any.a
	add_test(NAME show_walk COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/show_walk ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
	set_tests_properties(show_walk PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77)
endif()
