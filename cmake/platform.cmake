# Where dmm works.  The sources would fail in their hundreds of lines elsewhere: stop with one sentence.
function(dmm_require_linux)
	if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
		message(FATAL_ERROR "dmm supports Linux only, and this build is for ${CMAKE_SYSTEM_NAME}. "
			"Build it on Linux, on WSL 2, or in a Linux container; docs/manual/platforms.md lists what is supported.")
	endif()
	if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64|aarch64|arm64)$" OR NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
		message(FATAL_ERROR "dmm supports x86-64 and aarch64 with 64-bit pointers only, and this build is for "
			"${CMAKE_SYSTEM_PROCESSOR}; docs/manual/platforms.md lists what is supported.")
	endif()
endfunction()

# DMM_MUSL: the C library is not glibc.  musl does not tell its name to the preprocessor.
function(dmm_find_musl)
	include(CheckSymbolExists)
	check_symbol_exists(__GLIBC__ features.h DMM_GLIBC)
	if(DMM_GLIBC)
		set(DMM_MUSL OFF PARENT_SCOPE)
	else()
		set(DMM_MUSL ON PARENT_SCOPE)
		set(CMAKE_CXX_IMPLICIT_LINK_LIBRARIES "" PARENT_SCOPE) # the libraries need no libstdc++
	endif()
endfunction()
