# dmm report: the page, with its template (web/dist/report.html, built by `make web`) inside the command.
enable_language(ASM)
find_package(ZLIB REQUIRED)
set(DMM_REPORT_TEMPLATE ${CMAKE_SOURCE_DIR}/web/dist/report.html)
set_source_files_properties(report_template.S PROPERTIES
	OBJECT_DEPENDS ${DMM_REPORT_TEMPLATE}
	COMPILE_DEFINITIONS REPORT_TEMPLATE="${DMM_REPORT_TEMPLATE}")
set(DMM_REPORT_SOURCES cmd_report.c report_make.c report_compare.c report_survey.c report_model.c report_design.c report_map.c report_pins.c report_run.c
	report_score.c report_measure.c report_page.c report_head.c report_sections.c report_program.c report_data.c
	report_tiles.c report_svg.c report_svg_map.c report_template.S)
