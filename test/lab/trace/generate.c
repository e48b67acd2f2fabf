/* generate.c - writes a recording of any number of events: dmm info must not need memory for them.
 *
 *   generate FILE EVENTS THREADS SEED     with callers, 50 of them; at most 1,000 objects are live
 */
#include <stdio.h>
#include <stdlib.h>

#include "trace_make.h"

int main(int argc, char **argv)
{
	struct trace_error e;
	const struct trace_file_head head = {.stacks = TRACE_CALLER, .tick_is_ns = 1};

	if (argc != 5) {
		fputs("usage: generate FILE EVENTS THREADS SEED\n", stderr);
		return 2;
	}
	struct make m = {.rng = {strtoull(argv[4], NULL, 10)},
	    .threads = (uint32_t)strtoul(argv[3], NULL, 10)};
	struct trace_writer *const w = trace_writer_open(argv[1], &head, &e);
	for (uint64_t left = strtoull(argv[2], NULL, 10); w != NULL && left > 0; left--) {
		const struct trace_event ev = make_event(&m);
		const uint64_t caller = 0x400000 + 64 * (ev.size % 50);
		trace_writer_event(w, &ev, &caller, 1);
	}
	if (w == NULL || !trace_writer_close(w, &e)) {
		fprintf(stderr, "generate: %s: %s\n", argv[1], e.text);
		return 1;
	}
	return 0;
}
