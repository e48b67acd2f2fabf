# Recordings: read, written, imported, replayed.
add_library(dmm_trace STATIC live.c trace_block.c trace_file.c trace_reader.c trace_stream.c
	trace_writer.c ../src/observe/trace_encode.c)
target_include_directories(dmm_trace PUBLIC ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(dmm_trace PRIVATE dmm_flags dmm_instrument PUBLIC PkgConfig::ZSTD)

# The subcommands that work on recordings.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(DW REQUIRED IMPORTED_TARGET GLOBAL libdw libelf)
target_sources(dmm_lab PRIVATE advise.c ascent.c facts.c tune.c accounting.c explain.c symbols.c)
target_sources(dmm_lab PRIVATE replay_build.c replay_model.c replay_model_print.c replay_native.c
	replay_native_print.c replay_ops.c replay_params.c cell.c merge.c merge_read.c)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET GLOBAL libcjson)
target_link_libraries(dmm_lab PUBLIC PkgConfig::CJSON)
target_link_libraries(dmm_lab PUBLIC dmm_trace PkgConfig::DW)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET GLOBAL libarchive)
target_sources(dmm_lab PRIVATE import.c import_module.c import_rep.c import_android.c import_mtrace.c
	import_heaptrack.c)
set(DMM_TRACE_COMMANDS cmd_record.c cmd_info.c cmd_export.c cmd_replay.c cmd_sweep.c cmd_merge.c cmd_import.c import_archive.c)

# The program that replays a recording under an allocator: it links nothing that allocates.
add_executable(dmm-replayer replayer.c replayer_call.c replayer_run.c replayer_self.c replay_ops.c)
target_link_libraries(dmm-replayer PRIVATE dmm_flags Threads::Threads ${CMAKE_DL_LIBS})
target_include_directories(dmm-replayer PRIVATE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(dmm-replayer PRIVATE -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc
	-fno-builtin-free)
install(TARGETS dmm-replayer RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
