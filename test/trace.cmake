# Recordings: the format, the recorder, importers and replays.
dmm_unit_test(trace_format trace/trace_test.c)
target_include_directories(trace_format PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(trace_format PRIVATE dmm_trace)
