# Recordings: read, written, imported, replayed.
add_library(dmm_trace STATIC live.c trace_block.c trace_file.c trace_reader.c trace_stream.c
	trace_writer.c ../src/observe/trace_encode.c)
target_include_directories(dmm_trace PUBLIC ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(dmm_trace PRIVATE dmm_flags dmm_instrument PUBLIC PkgConfig::ZSTD)
