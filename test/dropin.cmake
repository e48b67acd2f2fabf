# The drop-in contract: test programs that run on every preloaded system.  They are not instrumented:
# a sanitizer brings a malloc of its own.
function(dmm_dropin_program name)
	add_executable(${name} dropin/main.c ${ARGN})
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
	target_compile_options(${name} PRIVATE -fno-builtin)
	target_link_libraries(${name} PRIVATE dmm_flags pthread dl)
endfunction()

add_library(dropin_plugin MODULE dropin/plugin.cc)
set_target_properties(dropin_plugin PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test
	CXX_VISIBILITY_PRESET default)
dmm_dropin_program(dropin_contract dropin/contract.c dropin/glibc.c dropin/process.c dropin/threads.c)
target_compile_definitions(dropin_contract PRIVATE PLUGIN="$<TARGET_FILE:dropin_plugin>")
dmm_dropin_program(dropin_operators dropin/operators.cc)

get_property(dropins GLOBAL PROPERTY DMM_DROPINS)
foreach(name ${dropins})
	foreach(program contract operators)
		add_test(NAME ${name}_preloaded_keeps_the_${program} COMMAND dropin_${program} ${name})
		set_tests_properties(${name}_preloaded_keeps_the_${program} PROPERTIES TIMEOUT 300
			ENVIRONMENT LD_PRELOAD=$<TARGET_FILE:dmm-${name}>)
	endforeach()
endforeach()

# The names and needs of each library, and real programs on it.
add_executable(stress programs/stress.c)
set_target_properties(stress PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_link_libraries(stress PRIVATE dmm_flags pthread)
foreach(name ${dropins})
	add_test(NAME ${name}_exports_the_contract_and_nothing_else
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/dropin/symbols $<TARGET_FILE:dmm-${name}>)
	add_test(NAME ${name}_runs_real_programs
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/realprograms ${CMAKE_BINARY_DIR} ${name})
	set_tests_properties(${name}_runs_real_programs PROPERTIES TIMEOUT 900)
endforeach()

add_executable(settings_probe dropin/settings_probe.c)
set_target_properties(settings_probe PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test
	BUILD_RPATH ${CMAKE_BINARY_DIR})
target_link_libraries(settings_probe PRIVATE dmm_flags dmm-list)
target_link_options(settings_probe PRIVATE -Wl,--no-as-needed -Wl,--disable-new-dtags)
add_test(NAME settings_are_read_and_mistakes_are_said
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/dropin/settings.py ${CMAKE_BINARY_DIR})
# The lecture's overrun; the compiler would warn of it, or turn it into something else.
add_executable(rain programs/rain.c)
set_target_properties(rain PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_compile_options(rain PRIVATE -O0 -g -fno-builtin -w)
add_test(NAME an_overrun_is_named_by_the_footer
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/dropin/footer.py ${CMAKE_BINARY_DIR})
add_test(NAME a_system_outside_the_tree_becomes_a_malloc
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/dropin/template.py ${CMAKE_BINARY_DIR})
set_tests_properties(a_system_outside_the_tree_becomes_a_malloc PROPERTIES TIMEOUT 300)
