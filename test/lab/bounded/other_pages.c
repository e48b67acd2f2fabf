/* other_pages.c - a recording of a machine that has pages of 64 KiB.
 *
 *   other_pages FILE
 */
#include <stdio.h>
#include <string.h>

#include "trace/trace.h"

int main(int argc, char **argv)
{
	static const char meta[] = "page_size=65536\n";
	const struct trace_file_head head = {.stacks = TRACE_NONE, .tick_is_ns = 1};
	struct trace_error e;
	struct trace_writer *const w = argc == 2 ? trace_writer_open(argv[1], &head, &e) : NULL;

	if (w == NULL)
		return 2;
	trace_writer_text(w, TRACE_META, meta, strlen(meta));
	for (uint64_t i = 0; i < 4000; i++) {
		const uint8_t op = i % 2 == 0 ? TRACE_OP_MALLOC : TRACE_OP_FREE;
		const struct trace_event ev = {.tick = 100000 * (i + 1), .addr = 0x10000,
		    .size = i % 2 == 0 ? 100 : 0, .op = op, .class = trace_class[op]};
		trace_writer_event(w, &ev, NULL, 0);
	}
	return trace_writer_close(w, &e) ? 0 : 1;
}
