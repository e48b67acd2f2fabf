# musl instead of glibc, with Debian's musl-gcc (package musl-tools).  On a system whose own C library is musl, such
# as Alpine, no toolchain file is needed.
#   cmake --preset musl
#
# There is no libstdc++ for musl on Debian: C++ sources are compiled against the headers of the other one, and no
# C++ program is linked.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_HOST_SYSTEM_PROCESSOR})
set(CMAKE_C_COMPILER musl-gcc)
set(CMAKE_CXX_COMPILER g++)
set(CMAKE_CXX_COMPILER_WORKS 1)
set(DMM_CXX_PROGRAMS OFF CACHE BOOL "there is no libstdc++ for musl")
