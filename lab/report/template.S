/* template.S - web/dist/report.html inside the command, so that making a page needs no Node. */
	.section .rodata
	.global report_template, report_template_end
report_template:
	.incbin REPORT_TEMPLATE
report_template_end:
	.byte 0
	.section .note.GNU-stack,"",@progbits
