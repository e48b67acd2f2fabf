# Trust: the misuse matrix, the seven primitives, the storms.  `make trust` and `make storms` are the
# long forms; the former also writes the tables of docs/TRUST.md.
function(dmm_trust_program name)
	add_executable(${name} ${ARGN})
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
	target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/trust)
	target_compile_options(${name} PRIVATE -fno-builtin)
	target_link_libraries(${name} PRIVATE dmm_flags pthread dl)
endfunction()

find_package(Python3 COMPONENTS Interpreter REQUIRED)
set(trust_cells ${CMAKE_CURRENT_BINARY_DIR}/trust_cells.c)
add_custom_command(OUTPUT ${trust_cells}
	COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/trust/cells.py --output=${trust_cells}
	DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/trust/cells.py)
dmm_trust_program(trust_matrix trust/matrix.c ${trust_cells})
# The cells break every rule that a compiler could warn of.
set_source_files_properties(${trust_cells} PROPERTIES COMPILE_OPTIONS -w)
dmm_trust_program(trust_primitives trust/primitives.c)
dmm_trust_program(trust_storms trust/storms.c)
target_compile_definitions(trust_storms PRIVATE PLUGIN="$<TARGET_FILE:dropin_plugin>")

function(dmm_trust_test name seconds)
	add_test(NAME ${name} COMMAND ${ARGN})
	set_tests_properties(${name} PROPERTIES TIMEOUT ${seconds}
		ENVIRONMENT LD_PRELOAD=$<TARGET_FILE:dmm_shared>)
endfunction()
dmm_trust_test(slab_catches_every_always_on_cell_of_the_matrix 120 trust_matrix slab)
dmm_trust_test(no_exploitation_primitive_succeeds_on_slab 120 trust_primitives --seeds=50 --none)

# Seconds each; `make storms` does 100,000 forks and the like.
foreach(storm fork:2000 first:1000 atfork:20 threads:1000 dlopen:300 tls:1000 statics:1 signals:2)
	string(REPLACE ":" ";" storm ${storm})
	list(GET storm 0 name)
	dmm_trust_test(slab_stands_the_storm_of_${name} 200 trust_storms ${storm})
endforeach()
add_executable(trust_storms_linked trust/storms.c)
set_target_properties(trust_storms_linked PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test
	ENABLE_EXPORTS ON)
target_compile_options(trust_storms_linked PRIVATE -fno-builtin)
target_compile_definitions(trust_storms_linked PRIVATE PLUGIN="$<TARGET_FILE:dropin_plugin>")
target_link_libraries(trust_storms_linked PRIVATE dmm_flags dmm_static pthread dl)
foreach(storm fork:300 statics:1) # where the program's first constructor runs before the heap's
	string(REPLACE ":" ";" storm ${storm})
	list(GET storm 0 name)
	add_test(NAME slab_linked_statically_stands_the_storm_of_${name} COMMAND trust_storms_linked ${storm})
	set_tests_properties(slab_linked_statically_stands_the_storm_of_${name} PROPERTIES TIMEOUT 200)
endforeach()

# The same with DMM_CONF=hardened; then each option alone, on the cells that it is for.
function(dmm_hardened_test name conf)
	add_test(NAME ${name} COMMAND ${ARGN})
	set_tests_properties(${name} PROPERTIES TIMEOUT 200
		ENVIRONMENT "LD_PRELOAD=$<TARGET_FILE:dmm_shared>;DMM_CONF=${conf}")
endfunction()
dmm_hardened_test(hardened_catches_every_cell_of_the_matrix hardened trust_matrix hardened)
dmm_hardened_test(no_exploitation_primitive_succeeds_on_hardened hardened trust_primitives --seeds=50 --none)
foreach(storm fork:150 threads:500 tls:200 statics:1 signals:1)
	string(REPLACE ":" ";" storm ${storm})
	list(GET storm 0 name)
	dmm_hardened_test(hardened_stands_the_storm_of_${name} hardened trust_storms ${storm})
endforeach()
foreach(alone canary:1=write_past_end/by canary:1=write_before_start zero_on_free:1=read_after_free/
		zero_on_free:1=read_uninitialised check_on_reuse:1=write_after_free quarantine:1024=free_twice
		guard_large:1=write_past_large guard_large:1=write_before_large)
	string(REPLACE "=" ";" alone ${alone})
	list(GET alone 0 conf)
	list(GET alone 1 cells)
	string(REGEX REPLACE "[^a-z_]" "" conf_name ${conf})
	string(REGEX REPLACE "[^a-z_]" "" cells_name ${cells})
	dmm_hardened_test(${conf_name}_alone_catches_${cells_name} ${conf} trust_matrix hardened ${cells})
endforeach()
foreach(program contract operators)
	dmm_trust_test(slab_preloaded_keeps_the_${program} 300 dropin_${program} slab)
	dmm_hardened_test(hardened_keeps_the_${program} hardened dropin_${program} slab)
endforeach()
add_executable(trust_effect trust/effect.c)
set_target_properties(trust_effect PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test ENABLE_EXPORTS ON)
target_compile_options(trust_effect PRIVATE -fno-builtin)
target_link_libraries(trust_effect PRIVATE dmm_flags dl)
add_executable(trust_order trust/order.c)
set_target_properties(trust_order PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_link_libraries(trust_order PRIVATE dmm_flags)
add_test(NAME hardened_settings_are_read_and_kept COMMAND Python3::Interpreter
	${CMAKE_CURRENT_SOURCE_DIR}/trust/settings.py ${CMAKE_BINARY_DIR})
