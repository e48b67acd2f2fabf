# The unit tests, the contract suite over every system, and torture.
find_package(PkgConfig REQUIRED)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

function(dmm_unit_test name)
	add_executable(${name} main.c children.c ${ARGN})
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
	target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
	target_link_libraries(${name} PRIVATE dmm_core PkgConfig::CMOCKA)
	add_test(NAME ${name} COMMAND ${name})
	set_tests_properties(${name} PROPERTIES TIMEOUT 120)
endfunction()

dmm_unit_test(unit_base unit/base_test.c unit/lock_test.c unit/conf_test.c)
dmm_unit_test(unit_os unit/arena_test.c unit/os_test.c unit/callers_test.c)
dmm_unit_test(unit_heap unit/heap_test.c unit/aligned_test.c unit/policy_test.c unit/space_test.c)
dmm_unit_test(unit_many unit/many_test.c fuzz/ram_os.c)

# One entry a system, so that a failure names it.  `make torture` is the long form.
string(REPEAT "[0-9]" 11 address_space) # slab reserves 512 GiB: that is no peak, and neither is 0
function(dmm_torture_test name)
	add_test(NAME torture_${name} COMMAND dmm torture --system=${name} --ops=60000)
	add_test(NAME torture_${name}_linux COMMAND dmm torture --system=${name} --ops=20000 --os=linux)
	foreach(threads 2 8 64)
		add_test(NAME torture_${name}_${threads}_threads
			COMMAND dmm torture --system=${name} --ops=40000 --threads=${threads})
		list(APPEND tests torture_${name}_${threads}_threads)
	endforeach()
	set_tests_properties(torture_${name} torture_${name}_linux ${tests} PROPERTIES
		FAIL_REGULAR_EXPRESSION "live, +${address_space};live, +0 bytes")
endfunction()
get_property(dmm_systems GLOBAL PROPERTY DMM_DROPINS)
list(APPEND dmm_systems slab)
foreach(name ${dmm_systems})
	dmm_torture_test(${name})
endforeach()

add_executable(contract contract/contract.c contract/sizes.c contract/contents.c contract/walks.c
	contract/refusals.c contract/company.c contract/misuse.c contract/overrun.c contract/damage.c children.c)
set_target_properties(contract PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_include_directories(contract PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(contract PRIVATE dmm_lab PkgConfig::CMOCKA)
foreach(name ${dmm_systems})
	add_test(NAME contract_${name} COMMAND contract --system=${name})
	set_tests_properties(contract_${name} PROPERTIES TIMEOUT 300)
endforeach()

# What the live footer finds: settings of its own, since no system checks it by default.
foreach(name dlist bins gnu)
	foreach(reuse none links)
		add_test(NAME contract_${name}_footer_${reuse} COMMAND contract --system=${name} --case=_found_
			--conf=footer:check,reuse:${reuse})
	endforeach()
endforeach()

foreach(name dlist bins gnu)
	add_test(NAME contract_${name}_pairwise COMMAND contract --system=${name} --pairwise)
	set_tests_properties(contract_${name}_pairwise PROPERTIES TIMEOUT 900)
	add_test(NAME torture_${name}_pairwise
		COMMAND dmm torture --system=${name} --pairwise --ops=10000)
	set_tests_properties(torture_${name}_pairwise PROPERTIES TIMEOUT 600)
endforeach()

# Every sequence to depth 8; `make exhaustive` goes to 10.
add_executable(exhaustive exhaustive/exhaustive.c exhaustive/flat_os.c)
set_target_properties(exhaustive PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_link_libraries(exhaustive PRIVATE dmm_lab)
foreach(name ${dmm_systems})
	if(NOT name STREQUAL slab) # reserves more than a few pages
		add_test(NAME exhaustive_${name} COMMAND exhaustive --system=${name})
	endif()
endforeach()

add_executable(torture EXCLUDE_FROM_ALL torture_main.c ${CMAKE_SOURCE_DIR}/lab/cmd/torture.c)
set_target_properties(torture PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_link_libraries(torture PRIVATE dmm_lab)

# Deliberate faults, each of which must be found under the right name.
find_package(Python3 COMPONENTS Interpreter REQUIRED)
add_test(NAME seeded_bugs_build COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target torture)
set_tests_properties(seeded_bugs_build PROPERTIES FIXTURES_SETUP seeded_torture)
add_test(NAME seeded_bugs COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/seeded_bugs.py
	${CMAKE_BINARY_DIR})
set_tests_properties(seeded_bugs PROPERTIES FIXTURES_REQUIRED seeded_torture TIMEOUT 600)

# Short forms under the sanitizers, from a build of their own.
if(NOT DMM_SANITIZE AND NOT DMM_COVERAGE)
	foreach(which asan tsan)
		add_test(NAME sanitized_${which} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/sanitized
			${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/${which} ${which})
		set_tests_properties(sanitized_${which} PROPERTIES TIMEOUT 900)
	endforeach()
endif()

# Two seconds on each system, from one seed; `make fuzz SECONDS=60` is the long form, from another each time.
add_test(NAME fuzz COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/run ${CMAKE_SOURCE_DIR}
	${CMAKE_BINARY_DIR}/fuzz 2)
set_tests_properties(fuzz PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600 ENVIRONMENT SEED=1)
