# The lecture's drawings, byte for byte.
function(dmm_golden_test NAME SYSTEM)
	add_test(NAME golden_${NAME} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lecture_golden $<TARGET_FILE:dmm>
		${CMAKE_CURRENT_SOURCE_DIR}/golden/demo-${NAME}.txt ${SYSTEM} ${ARGN})
	set_tests_properties(golden_${NAME} PROPERTIES TIMEOUT 60)
endfunction()
foreach(system minimal pad list dlist bins vm gnu)
	dmm_golden_test(${system} ${system})
endforeach()
dmm_golden_test(narrow-ascii dlist --width=40 --ascii)
