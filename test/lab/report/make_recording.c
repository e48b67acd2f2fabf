/* make_recording.c - writes a recording of any length, of an invented server, with names for its
 * frames.
 *
 *   make_recording EVENTS FILE [THREADS [LIVE]]     1 thread, at most 40,000 live objects
 *
 * It serves requests in waves: json_parse makes many small objects that die together, but one in
 * 400 (what a cache keeps) lives for long; log_line's buffers grow by realloc; image_decode takes
 * large ones.  After each wave the server idles for 20 ms.  Each call site has its thread; another
 * thread frees one object in 16.  An address is used again for the next object of its size.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "trace/trace.h"

enum { LIVE = 40000, SITES = 300, DEPTH = 6, WAVE_OF_LIVE = 5, IDLE_NS = 20000000, CLASSES = 257 };

static const char *const who[] = {"json_parse", "log_line", "image_decode", "cache_put",
    "row_fetch",
    "session_open", "header_split", "route_match"};
enum { WHO = sizeof who / sizeof *who };

struct object {
	uint64_t addr, size;
	uint32_t site;
	bool stays;
};

struct stack { /* addresses of one size that are free */
	uint64_t *at;
	size_t count, cap;
};

struct maker {
	struct rng rng;
	struct trace_writer *w;
	struct object *live;
	size_t count, most; /* objects; at most */
	struct stack free[CLASSES];
	uint32_t threads;
	uint64_t tick, top;
};

static uint64_t frame(uint32_t site, unsigned depth)
{
	const uint64_t number = depth == 0 ? site : depth == 1 ? 1000 + site % WHO
	    : 2000 + site % 40 / (depth * depth);

	return 0x400000 + number * 64 + depth * 0x100000;
}

static void write_names(struct trace_writer *w)
{
	char *text = NULL;
	size_t len = 0;
	FILE *const f = open_memstream(&text, &len);

	for (uint32_t s = 0; s < SITES; s++) {
		fprintf(f, "%" PRIx64 " %s_alloc_%u\n", frame(s, 0), who[s % WHO], s);
		for (unsigned d = 1; d < DEPTH; d++)
			fprintf(f, "%" PRIx64 " %s%s\n", frame(s, d),
			    d == 1 ? who[s % WHO] : "serve",
			    d == 1 ? "" : d == 2 ? "_request" : d == 3 ? "_connection" : "_loop");
	}
	fclose(f);
	trace_writer_text(w, TRACE_SYMBOLS, text, len);
	free(text);
}

/* NULL: sizes that are not used again. */
static struct stack *free_of(struct maker *m, uint64_t size)
{
	return size / 16 < CLASSES ? &m->free[size / 16] : NULL;
}

static uint64_t place(struct maker *m, uint64_t size)
{
	struct stack *const s = free_of(m, size);

	if (s != NULL && s->count != 0)
		return s->at[--s->count];
	m->top += 16 + (size & ~UINT64_C(15));
	return 0x500000000000 + m->top;
}

static void forget(struct maker *m, const struct object *o)
{
	struct stack *const s = free_of(m, o->size);

	if (s == NULL)
		return;
	if (s->count == s->cap) {
		s->cap = 2 * s->cap + 64;
		s->at = realloc(s->at, s->cap * sizeof *s->at);
		if (s->at == NULL)
			exit(1);
	}
	s->at[s->count++] = o->addr;
}

static void emit(struct maker *m, struct trace_event ev, uint32_t site)
{
	uint64_t frames[DEPTH];

	for (unsigned d = 0; d < DEPTH; d++)
		frames[d] = frame(site, d);
	ev.tick = m->tick += 20 + rng_below(&m->rng, 400);
	ev.class = trace_class[ev.op];
	ev.thread = m->threads == 1 ? 0 : 1 + site % m->threads;
	trace_writer_event(m->w, &ev, frames, DEPTH);
}

static uint64_t size_of(struct maker *m, uint32_t site)
{
	const unsigned kind = site % WHO;

	if (kind == 2) /* images */
		return rng_below(&m->rng, 100) == 0 ? 200000 + rng_below(&m->rng, 800000) : 4000;
	return 8 + rng_below(&m->rng, kind == 0 ? 120 : 16u << (site % 7));
}

static void take(struct maker *m)
{
	struct object *const o = &m->live[m->count++];

	const bool common = rng_below(&m->rng, 3) != 0;
	o->site = (uint32_t)(common ? rng_below(&m->rng, 40) * WHO % SITES
	    : rng_below(&m->rng, SITES));
	o->size = size_of(m, o->site);
	o->stays = rng_below(&m->rng, 400) == 0;
	o->addr = place(m, o->size);
	emit(m, (struct trace_event){.op = TRACE_OP_MALLOC, .addr = o->addr, .size = o->size},
	    o->site);
}

static void drop(struct maker *m, size_t i)
{
	const bool other = m->threads > 1 && rng_below(&m->rng, 16) == 0;

	emit(m, (struct trace_event){.op = TRACE_OP_FREE, .addr = m->live[i].addr},
	    m->threads > 1 ? m->live[i].site + other : 0);
	forget(m, &m->live[i]);
	m->live[i] = m->live[--m->count];
}

static void grow(struct maker *m, size_t i)
{
	struct object *const o = &m->live[i];
	const struct object old = *o;

	o->size += 32;
	o->addr = place(m, o->size);
	forget(m, &old);
	emit(m, (struct trace_event){.op = TRACE_OP_REALLOC, .addr = o->addr, .old = old.addr,
	    .size = o->size}, o->site);
}

/* Every second object that dies is one of the youngest. */
static size_t choose(struct maker *m)
{
	const size_t young = m->count < 8 ? m->count : 8;

	if (m->count == 0)
		return 0;
	return rng_below(&m->rng, 2) == 0 ? (size_t)rng_below(&m->rng, m->count)
	    : m->count - 1 - (size_t)rng_below(&m->rng, young);
}

static void step(struct maker *m, uint64_t i)
{
	const uint64_t wave = WAVE_OF_LIVE * m->most, phase = i % wave;
	const uint64_t wanted = phase < wave / 2 ? m->most * 9 / 10 : m->most / 8;
	const size_t at = choose(m);

	if (phase == 0)
		m->tick += IDLE_NS;
	if (m->count == 0 ||
	    (m->count < m->most && rng_below(&m->rng, 100) < (m->count < wanted ? 60 : 40)))
		take(m);
	else if (m->live[at].site % WHO == 1 && rng_below(&m->rng, 4) == 0)
		grow(m, at);
	else if (!m->live[at].stays || rng_below(&m->rng, 50) == 0)
		drop(m, at);
	else
		emit(m, (struct trace_event){.op = TRACE_OP_FREE, .addr = 0}, 0);
}

int main(int argc, char **argv)
{
	static struct maker m = {.rng = {42}, .threads = 1, .most = LIVE};
	const struct trace_file_head head = {.stacks = TRACE_FP, .tick_is_ns = 1};
	struct trace_error e;

	if (argc < 3 || argc > 5 || (m.w = trace_writer_open(argv[2], &head, &e)) == NULL)
		return 2;
	if (argc > 3)
		m.threads = (uint32_t)strtoul(argv[3], NULL, 10);
	if (argc > 4)
		m.most = strtoull(argv[4], NULL, 10);
	m.live = calloc(m.most, sizeof *m.live);
	if (m.threads == 0 || m.most < 8 || m.live == NULL)
		return 2;
	trace_writer_text(m.w, TRACE_META, "command=made_up_server --port=0\n", 32);
	write_names(m.w);
	for (uint64_t i = 0, n = strtoull(argv[1], NULL, 10); i < n; i++)
		step(&m, i);
	if (!trace_writer_close(m.w, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	return 0;
}
