# dmm systems, run and compare, from outside.  A sanitizer's leak check cannot run in a process that
# traces others, and the dmm command leaves its lists to exit().
add_test(NAME lab_compare COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lab/compare_test.py ${CMAKE_BINARY_DIR})
set_tests_properties(lab_compare PROPERTIES TIMEOUT 300 ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
if(NOT DMM_SANITIZE AND NOT DMM_COVERAGE) # programs of others do not link our instruments
	add_test(NAME lab_install COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lab/install_test.py ${CMAKE_BINARY_DIR})
	set_tests_properties(lab_install PROPERTIES TIMEOUT 300)
endif()
dmm_unit_test(lab_stats lab/stats_test.c lab/verdict_test.c)
target_link_libraries(lab_stats PRIVATE dmm_lab)
add_test(NAME lab_config COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lab/config_test.py $<TARGET_FILE:dmm>)
add_test(NAME lab_tune COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lab/tune_test.py $<TARGET_FILE:dmm>
	${CMAKE_CURRENT_SOURCE_DIR}/recordings)
set_tests_properties(lab_tune PROPERTIES TIMEOUT 300)
add_executable(stories programs/stories.c)
set_target_properties(stories PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_compile_options(stories PRIVATE -O1 -g -fno-omit-frame-pointer -fno-builtin)
target_link_libraries(stories PRIVATE pthread)
add_test(NAME lab_advise COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lab/advise_test.py $<TARGET_FILE:dmm>
	${CMAKE_CURRENT_SOURCE_DIR}/recordings $<TARGET_FILE:stories>)
set_tests_properties(lab_advise PROPERTIES TIMEOUT 300)
add_test(NAME lab_budget COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lab/budget_test.py $<TARGET_FILE:dmm> $<TARGET_FILE:stories>)
set_tests_properties(lab_budget PROPERTIES TIMEOUT 300)
