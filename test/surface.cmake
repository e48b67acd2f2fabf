# The surface of the libraries: what a program sees of the malloc that it runs on.  In `make test`.
set(surface_libraries slab record)
list(APPEND surface_libraries ${dropins})
function(surface_file name result)
	if(name STREQUAL slab)
		set(${result} $<TARGET_FILE:dmm_shared> PARENT_SCOPE)
	else()
		set(${result} $<TARGET_FILE:dmm-${name}> PARENT_SCOPE)
	endif()
endfunction()

# dlopen without RTLD_DEEPBIND.
add_library(deepbind_plugin SHARED invisible/deepbind_plugin.c)
set_target_properties(deepbind_plugin PROPERTIES
	LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/invisible/deep)
add_library(deepbind_opener SHARED invisible/deepbind_opener.c)
set_target_properties(deepbind_opener PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/invisible
	BUILD_RPATH "$ORIGIN/deep")
target_link_options(deepbind_opener PRIVATE -Wl,--enable-new-dtags)
add_executable(deepbind invisible/deepbind.c)
set_target_properties(deepbind PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test SKIP_BUILD_RPATH ON)
add_dependencies(deepbind deepbind_plugin deepbind_opener)
foreach(target deepbind_plugin deepbind_opener deepbind)
	target_link_libraries(${target} PRIVATE dmm_flags dl)
endforeach()
foreach(name ${surface_libraries})
	surface_file(${name} file)
	add_test(NAME ${name}_drops_deepbind_and_keeps_the_caller_of_dlopen COMMAND deepbind dropped)
	add_test(NAME ${name}_keeps_deepbind_where_a_setting_says_so COMMAND deepbind kept)
	set_tests_properties(${name}_drops_deepbind_and_keeps_the_caller_of_dlopen PROPERTIES
		ENVIRONMENT "LD_PRELOAD=${file};DMM_RECORD=${CMAKE_BINARY_DIR}/test/invisible/${name}_dropped.dmm")
	set_tests_properties(${name}_keeps_deepbind_where_a_setting_says_so PROPERTIES
		ENVIRONMENT "LD_PRELOAD=${file};DMM_RECORD=${CMAKE_BINARY_DIR}/test/invisible/${name}_kept.dmm;DMM_CONF=deepbind:1;DMM_RECORD_DEEPBIND=1")
endforeach()
add_test(NAME slab_exports_the_contract_and_nothing_else
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/dropin/symbols $<TARGET_FILE:dmm_shared>)

# A static program's dlopen stays the C library's.
add_executable(static_dlopen invisible/static_dlopen.c)
set_target_properties(static_dlopen PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_link_libraries(static_dlopen PRIVATE dmm_static dmm_flags ${DMM_STATIC_LINK})
add_test(NAME a_static_program_on_slab_opens_a_library COMMAND static_dlopen $<TARGET_FILE:deepbind_plugin>)

# The tests of the contract ask no more than glibc keeps.
add_test(NAME glibc_keeps_the_contract COMMAND dropin_contract -)
set_tests_properties(glibc_keeps_the_contract PROPERTIES # its caches of threads do not know M_PERTURB
	ENVIRONMENT GLIBC_TUNABLES=glibc.malloc.tcache_count=0)
add_test(NAME counted_calls_keep_the_contract COMMAND dropin_contract slab)
set_tests_properties(counted_calls_keep_the_contract PROPERTIES
	ENVIRONMENT "LD_PRELOAD=$<TARGET_FILE:dmm_shared>;DMM_CONF=stats:1")

add_executable(counted invisible/counted.c)
set_target_properties(counted PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_compile_options(counted PRIVATE -fno-builtin -w)
target_link_libraries(counted PRIVATE dmm_flags pthread)
add_test(NAME stats_count_every_call COMMAND Python3::Interpreter
	${CMAKE_CURRENT_SOURCE_DIR}/invisible/stats.py ${CMAKE_BINARY_DIR} slab ${dropins})
add_test(NAME slab_runs_real_programs COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/realprograms ${CMAKE_BINARY_DIR} slab)
set_tests_properties(slab_runs_real_programs PROPERTIES TIMEOUT 900)

add_executable(sized invisible/sized.cc)
set_target_properties(sized PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_compile_options(sized PRIVATE -fno-builtin -fsized-deallocation -w)
target_link_libraries(sized PRIVATE dmm_flags pthread dl)
add_test(NAME a_free_with_a_wrong_size_is_told_once_and_goes_on COMMAND Python3::Interpreter
	${CMAKE_CURRENT_SOURCE_DIR}/invisible/sized.py ${CMAKE_BINARY_DIR} ${dropins})

add_test(NAME a_file_of_settings_that_is_none_is_refused_and_nothing_waits COMMAND Python3::Interpreter
	${CMAKE_CURRENT_SOURCE_DIR}/invisible/conf_files.py ${CMAKE_BINARY_DIR})
