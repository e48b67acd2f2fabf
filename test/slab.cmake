# slab's own: its classes, its hit path, slabs that go from heap to heap, kernels that lack a call, forks.
dmm_unit_test(unit_slab slab/size_class_test.c slab/kernel_test.c slab/fork_test.c slab/sampled_test.c)
target_link_libraries(unit_slab PRIVATE m)
# What lies behind the hit path, on a clock and a kernel of its own: seconds in all, since tools/mutate runs it often.
dmm_unit_test(unit_backend slab/paper.c slab/page_heap_test.c slab/purge_test.c slab/large_test.c slab/cache_test.c
	slab/hardened_test.c slab/settings_test.c slab/forked_test.c slab/damage_test.c slab/stack_test.c
	slab/huge_test.c slab/refused_test.c slab/measure_test.c)

add_test(NAME a_hit_calls_nothing_and_takes_few_instructions COMMAND Python3::Interpreter
	${CMAKE_CURRENT_SOURCE_DIR}/slab/hit_path.py $<TARGET_FILE:dmm_shared>)
set_tests_properties(a_hit_calls_nothing_and_takes_few_instructions PROPERTIES SKIP_RETURN_CODE 77)
add_executable(pairs slab/pairs.c)
set_target_properties(pairs PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_compile_options(pairs PRIVATE -fno-builtin)
add_test(NAME callgrind_counts_the_instructions_of_a_pair COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/slab/callgrind
	$<TARGET_FILE:pairs> $<TARGET_FILE:dmm_shared>)
set_tests_properties(callgrind_counts_the_instructions_of_a_pair PROPERTIES SKIP_RETURN_CODE 77)

dmm_trust_program(heirs slab/heirs.c)
dmm_trust_test(slabs_change_heaps_while_others_free_into_them 200 heirs 4)
dmm_hardened_test(hardened_slabs_change_heaps_while_others_free_into_them hardened heirs 2)

# An address space of 256 MiB, with every way in: preloaded, linked, linked static, loaded.
add_executable(ways slab/ways.c)
add_executable(ways_linked slab/ways.c)
add_executable(ways_static slab/ways.c)
target_link_libraries(ways PRIVATE dmm_flags pthread dl)
target_link_libraries(ways_linked PRIVATE -Wl,--no-as-needed dmm_shared dmm_flags pthread dl)
target_link_libraries(ways_static PRIVATE dmm_static dmm_flags pthread dl ${DMM_STATIC_LINK})
foreach(way ways ways_linked ways_static)
	set_target_properties(${way} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
	target_compile_options(${way} PRIVATE -fno-builtin)
endforeach()
foreach(threads 1 8)
	foreach(limit as data)
		dmm_trust_test(slab_preloaded_with_${threads}_threads_under_256_MiB_of_${limit} 60 ways ${limit} ${threads})
		add_test(NAME slab_linked_with_${threads}_threads_under_256_MiB_of_${limit}
			COMMAND ways_linked ${limit} ${threads})
		add_test(NAME slab_linked_static_with_${threads}_threads_under_256_MiB_of_${limit}
			COMMAND ways_static ${limit} ${threads})
		add_test(NAME slab_loaded_with_${threads}_threads_under_256_MiB_of_${limit}
			COMMAND ways ${limit} ${threads} $<TARGET_FILE:dmm_shared>)
	endforeach()
endforeach()
