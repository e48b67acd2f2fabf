# Trust: fault harness, fuzzing by mass, model checking, mutation, soak.  docs/TESTING.md tells of each.

# Model-based and fast; `make fuzz` runs it long and adds up.
add_executable(rapid fuzz/rapid.c fuzz/rapid_work.c fuzz/ram_os.c)
set_target_properties(rapid PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_link_libraries(rapid PRIVATE dmm_lab)
foreach(name ${dmm_systems})
	add_test(NAME rapid_${name} COMMAND rapid --system=${name} --ops=300000)
	add_test(NAME rapid_${name}_4_threads COMMAND rapid --system=${name} --ops=200000 --threads=4)
endforeach()

# `make soak HOURS=8`
add_executable(soak soak/soak.c soak/soak_load.c soak/soak_sample.c)
set_target_properties(soak PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_link_libraries(soak PRIVATE dmm_flags)
add_test(NAME soak_for_ten_seconds COMMAND dmm run --system=slab -- $<TARGET_FILE:soak>
	--hours=0.002 --spell=0.5 --threads=16 --load=20)

# Whole programs whose n-th request for memory the kernel refuses; `make faults` tries every n.
add_executable(refuse faults/refuse.c)
set_target_properties(refuse PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_link_libraries(refuse PRIVATE dmm_flags)
foreach(name ${dmm_systems})
	add_test(NAME faults_sqlite3_on_${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/faults/outside.py
		${CMAKE_BINARY_DIR} --system=${name} --program=sqlite3)
	set_tests_properties(faults_sqlite3_on_${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
endforeach()
foreach(name record replay show)
	add_test(NAME faults_in_dmm_${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/faults/outside.py
		${CMAKE_BINARY_DIR} --program=${name})
	set_tests_properties(faults_in_dmm_${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
endforeach()

# All of them from the first on: a program whose malloc never has a heap.
add_executable(no_heap faults/no_heap.c)
set_target_properties(no_heap PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_compile_options(no_heap PRIVATE -fno-builtin)
target_link_libraries(no_heap PRIVATE dmm_flags)
foreach(name ${dmm_systems})
	set(lib dmm-${name})
	if(name STREQUAL slab)
		set(lib dmm_shared)
	endif()
	add_test(NAME ${name}_without_a_heap COMMAND sh -c
		"\"$0\" -- true 2>/dev/null || exit 77; exec \"$0\" --from=1 --by=libdmm -- env LD_PRELOAD=\"$1\" \"$2\""
		$<TARGET_FILE:refuse> $<TARGET_FILE:${lib}> $<TARGET_FILE:no_heap>)
	set_tests_properties(${name}_without_a_heap PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 60)
endforeach()

# Limits of the kernel, and a disk that fills up.
add_executable(limits faults/limits.c)
set_target_properties(limits PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_compile_options(limits PRIVATE -fno-builtin)
target_link_libraries(limits PRIVATE dmm_flags)
function(dmm_limits_test name which)
	set(never_reuses "")
	if(name STREQUAL minimal OR name STREQUAL pad)
		set(never_reuses --keeps)
	endif()
	add_test(NAME limits_${name}_${which} COMMAND dmm run --system=${name} -- $<TARGET_FILE:limits>
		${which} ${never_reuses})
	set_tests_properties(limits_${name}_${which} PROPERTIES TIMEOUT 120)
endfunction()
foreach(name ${dmm_systems})
	dmm_limits_test(${name} as)
	dmm_limits_test(${name} data)
endforeach()
foreach(name vm gnu segdata segmeta slab) # who maps
	dmm_limits_test(${name} maps)
endforeach()
dmm_limits_test(slab threads)
set_tests_properties(limits_slab_threads PROPERTIES SKIP_RETURN_CODE 77)
add_test(NAME a_recording_fills_the_disk COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/faults/full_disk
	${CMAKE_BINARY_DIR})
set_tests_properties(a_recording_fills_the_disk PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)

# src/slab under every schedule with at most two preemptions; `make interleave` takes three, and plants faults.
file(GLOB slab_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/slab/*.c)
list(FILTER slab_sources EXCLUDE REGEX "/(thread|fork)\\.c$") # interleave.c includes the one
file(GLOB base_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/base/*.c)
list(FILTER base_sources EXCLUDE REGEX "/lock\\.c$") # a lock is a choice of the scheduler
add_executable(interleave interleave/interleave.c interleave/ground.c interleave/scheduler.c ${slab_sources}
	${base_sources} ${CMAKE_SOURCE_DIR}/src/os/os_linux.c ${CMAKE_SOURCE_DIR}/src/os/helper.c
	${CMAKE_SOURCE_DIR}/src/os/callers.c ${CMAKE_SOURCE_DIR}/src/os/frame_rules.c ${CMAKE_SOURCE_DIR}/src/os/segv.c)
set_target_properties(interleave PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_include_directories(interleave BEFORE PRIVATE interleave/shim interleave)
target_compile_options(interleave PRIVATE -U_FORTIFY_SOURCE -Wno-unused-value -Wno-shadow)
target_link_libraries(interleave PRIVATE dmm_malloc_flags pthread)
# Up to 12,000 schedules a scenario; all of them: make interleave.
add_test(NAME slab_loses_nothing_in_any_schedule COMMAND interleave --bound=2 --most=12000)
set_tests_properties(slab_loses_nothing_in_any_schedule PROPERTIES TIMEOUT 300)

# Two faults that src/slab once had are planted again and must be found, always: a stress finds them one time in
# three.  All of them: make interleave.
add_test(NAME slabs_without_a_tag_and_unseen_inboxes_are_found COMMAND Python3::Interpreter
	${CMAKE_CURRENT_SOURCE_DIR}/interleave/seeded.py ${CMAKE_BINARY_DIR} --most=12000 14 17)

# The same protocol as a model, in all its states, and with faults planted.
add_test(NAME spin_finds_no_lost_block COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/spin/run ${CMAKE_SOURCE_DIR}
	${CMAKE_BINARY_DIR}/spin)
set_tests_properties(spin_finds_no_lost_block PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 900)
