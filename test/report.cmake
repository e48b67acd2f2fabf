# dmm report: what a page holds, and what it does in a real browser.
add_test(NAME report_page COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/report/report_test.py ${CMAKE_BINARY_DIR})
set_tests_properties(report_page PROPERTIES TIMEOUT 300)
