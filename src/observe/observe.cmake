# What looks at heaps.  The encoder of recordings serves the recorder, inside the recorded program,
# and the lab's writer.
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET GLOBAL libzstd)
find_library(DMM_ZSTD_STATIC libzstd.a REQUIRED)
