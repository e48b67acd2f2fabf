# Recordings: the format, the recorder, importers and replays.
dmm_unit_test(trace_format trace/trace_test.c)
target_include_directories(trace_format PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(trace_format PRIVATE dmm_lab)

add_executable(known trace/known.c)
set_target_properties(known PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
find_package(Threads REQUIRED)
target_link_libraries(known PRIVATE dmm_flags Threads::Threads)
add_executable(survivor trace/survivor.c)
set_target_properties(survivor PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_compile_options(survivor PRIVATE -fno-builtin)
target_link_libraries(survivor PRIVATE dmm_flags Threads::Threads)
add_executable(generate trace/generate.c)
set_target_properties(generate PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_include_directories(generate PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(generate PRIVATE dmm_lab)
if(NOT DMM_SANITIZE) # a sanitizer brings its own malloc
	add_test(NAME trace_record COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/trace/record_test.py ${CMAKE_BINARY_DIR})
	set_tests_properties(trace_record PROPERTIES TIMEOUT 120)
	add_test(NAME trace_survive
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/trace/survive_test.py ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
	set_tests_properties(trace_survive PROPERTIES TIMEOUT 200)
endif()
foreach(part import export info)
	add_test(NAME trace_${part}
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/trace/${part}_test.py ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
	set_tests_properties(trace_${part} PROPERTIES TIMEOUT 200)
endforeach()
# Two seconds on each target, from one seed; `make fuzz-trace MINUTES=10` is the longer form.
add_test(NAME trace_fuzz COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/run_trace ${CMAKE_SOURCE_DIR}
	${CMAKE_BINARY_DIR}/fuzz-trace-short 2)
set_tests_properties(trace_fuzz PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77 ENVIRONMENT SEED=1)

# What a recorder costs a call: docs/recorder.md.
add_executable(record_loop EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/record_loop.c)
set_target_properties(record_loop PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
target_link_libraries(record_loop PRIVATE dmm_flags Threads::Threads)

# Replays: no sanitizer or counter may be inside the programs that are measured.
if(NOT DMM_SANITIZE AND NOT DMM_COVERAGE)
	add_test(NAME replay COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/replay/replay_test.py ${CMAKE_BINARY_DIR})
	set_tests_properties(replay PROPERTIES TIMEOUT 300)
endif()
