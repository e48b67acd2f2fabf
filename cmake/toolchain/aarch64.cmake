# aarch64 with Debian's cross compiler; what is built runs under qemu-user.
#   cmake --preset aarch64
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(DMM_QEMU qemu-aarch64 CACHE STRING "qemu-user for aarch64: 8.1 or later, earlier ones take minutes to reserve addresses")
set(CMAKE_CROSSCOMPILING_EMULATOR ${DMM_QEMU} -L /usr/aarch64-linux-gnu)
# A program at a low address has its break far from everything else: beside a position-independent one,
# where qemu puts it, is room for some pages.
set(CMAKE_EXE_LINKER_FLAGS_INIT -no-pie)
