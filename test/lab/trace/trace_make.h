/* trace_make.h - events for tests, as an invented program might make them. */
#ifndef TEST_TRACE_MAKE_H
#define TEST_TRACE_MAKE_H

#include "base/rng.h"
#include "trace/trace.h"

enum { MAKE_LIVE = 1000 };

/* The live objects, and an address that rises for new ones; start it with {.rng = {seed}, .threads
 * = n}. */
struct make {
	struct rng rng;
	uint32_t threads;
	uint64_t tick, top;
	uint64_t live[MAKE_LIVE], sizes[MAKE_LIVE];
	size_t count;
};

/* The next event, valid against all before it: about half allocate, half free, some realloc. */
static inline struct trace_event make_event(struct make *m)
{
	const unsigned dice = (unsigned)rng_below(&m->rng, 100);
	struct trace_event ev = {.tick = m->tick += 1 + rng_below(&m->rng, 300),
	    .thread = (uint32_t)rng_below(&m->rng, m->threads), .op = TRACE_OP_MALLOC};
	const size_t i = m->count != 0 ? (size_t)rng_below(&m->rng, m->count) : 0;

	if (m->count == MAKE_LIVE || (m->count != 0 && dice < 45)) {
		ev.op = dice % 2 ? TRACE_OP_FREE : TRACE_OP_DELETE_SIZED;
		ev.addr = m->live[i];
		ev.size = dice % 2 ? 0 : m->sizes[i];
		m->live[i] = m->live[--m->count];
		m->sizes[i] = m->sizes[m->count];
	} else {
		ev.size = rng_below(&m->rng, 1u << rng_below(&m->rng, 14));
		ev.addr = 0x500000000000 + (m->top += 16 + (ev.size & ~15u));
		const size_t at = dice >= 90 && m->count != 0 ? i : m->count++;
		if (at == i && dice >= 90 && at + 1 != m->count) {
			ev.op = TRACE_OP_REALLOC;
			ev.old = m->live[at];
		} else if (dice % 7 == 0) {
			ev.op = TRACE_OP_POSIX_MEMALIGN;
			ev.align_log2 = (uint8_t)(4 + rng_below(&m->rng, 9));
		}
		m->live[at] = ev.addr;
		m->sizes[at] = ev.size;
	}
	ev.class = trace_class[ev.op];
	return ev;
}

#endif
