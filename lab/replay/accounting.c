/* accounting.c - a walk, sorted into parts. */
#include "replay/accounting.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "allocators/slab_conf.h"
#include "base/bits.h"
#include "slab/system.h"
#include "system/policy/fit.h"

#define HEAP_LEN ((size_t)256 << 30)
#define MAP_LEN  ((size_t)512 << 30)

const char *const part_names[PARTS] = {"payload", "padding", "headers", "bins", "caches", "tails",
    "retained"};

/* Free memory that is in no bin, by the word that walks have for it; everything else free is. */
static const struct {
	const char *what;
	enum part part;
} free_words[] = {
    {"waiting", PART_CACHES},
    {"cache", PART_CACHES},
    {"pad", PART_RETAINED},
    {"kept", PART_RETAINED},
    {"top", PART_RETAINED},
    {"run", PART_RETAINED},
};

struct part_sums {
	uint64_t part[PARTS]; /* PART_PAYLOAD: what is live, with its padding */
	uint64_t live_count;
	uint64_t tables; /* headers that lie in reserved addresses */
};

static enum part free_part(const char *what)
{
	for (size_t i = 0; i < sizeof free_words / sizeof *free_words; i++)
		if (strcmp(what, free_words[i].what) == 0)
			return free_words[i].part;
	return PART_BINS;
}

/* The resident bytes of [addr, addr + len): slab reserves tables for the largest heap there can be,
 * and touches only the part that the present heap needs. */
static uint64_t resident(uintptr_t addr, size_t len)
{
	enum { PAGE = 4096, STEP = 1 << 14 };
	unsigned char page[STEP];
	uint64_t bytes = 0;

	for (size_t at = 0; at < len; at += (size_t)STEP * PAGE) {
		const size_t part = min_size(len - at, (size_t)STEP * PAGE);
		if (mincore((void *)(addr + at), part, page) != 0)
			return len;
		for (size_t i = 0; i * PAGE < part; i++)
			bytes += (page[i] & 1) != 0 ? min_size(PAGE, part - i * PAGE) : 0;
	}
	return bytes;
}

static enum part part_of(const struct dmm_piece *p)
{
	switch (p->kind) {
	case DMM_LIVE:
		return PART_PAYLOAD;
	case DMM_META:
		return PART_HEADERS;
	case DMM_PAD:
		return PART_TAILS;
	case DMM_FREE:
		return free_part(p->what);
	}
	return PART_RETAINED;
}

static int add_held(void *arg, const struct dmm_piece *p, uintptr_t addr, size_t len)
{
	struct part_sums *const s = arg;

	(void)addr;
	s->part[part_of(p)] += len;
	return 0;
}

struct held_walk {
	const struct os_arena *arena;
	held_visit *visit;
	void *arg;
	struct part_sums *sums; /* NULL: reserved tables are left out */
};

/* The stretches of a piece that have memory. */
static int visit(void *arg, const struct dmm_piece *p)
{
	const struct held_walk *const w = arg;
	const uintptr_t end = p->addr + p->len;
	bool held;
	int r = 0;

	if (p->kind == DMM_META && os_arena_is_reserved(w->arena, (void *)p->addr)) {
		if (w->sums != NULL)
			w->sums->tables += resident(p->addr, p->len);
		return 0;
	}
	if (w->sums != NULL)
		w->sums->live_count += p->kind == DMM_LIVE;
	for (uintptr_t at = p->addr; at < end && r == 0;) {
		const size_t len = os_arena_stretch(w->arena, (void *)at, end - at, &held);
		r = held ? w->visit(w->arg, p, at, len) : 0;
		at += len;
	}
	return r;
}

int held_walk(struct heap *h, const struct os_arena *arena, held_visit *each, void *arg)
{
	struct held_walk w = {arena, each, arg, NULL};
	return heap_walk(h, visit, &w);
}

static int pass(void *arg, const struct dmm_piece *p, uintptr_t addr, size_t len)
{
	(void)arg, (void)p, (void)addr, (void)len;
	return 0;
}

uint64_t held_tables(struct heap *h, const struct os_arena *arena)
{
	struct part_sums s = {0};
	struct held_walk w = {arena, pass, NULL, &s};

	if (arena->reserved_bytes != 0)
		heap_walk(h, visit, &w);
	return s.tables;
}

int held_arena_open(struct os_arena *arena)
{
	enum { PARTS_MOST = 2048 };
	int error = -ENOMEM;

	for (size_t part = 1; error != 0 && part <= PARTS_MOST; part *= 2)
		error = os_arena_open(arena, 0, HEAP_LEN / part, MAP_LEN / part);
	return error;
}

int held_open(struct heap *h, const struct subject *s, size_t threads,
    const struct os_arena *arena)
{
	slab_conf_next(s->conf);
	const int error = heap_open(h, s->sys, &s->params, &arena->os);
	slab_conf_next(NULL);
	if (error == 0 && s->sys == &system_slab && threads <= 1)
		slab_purge_by_calls();
	return error;
}

/* Measured in a virtual machine, where a page fault costs most, and rounded: a call that hits; a
 * system call; a page that is faulted in, cleared, and given back one day; 2 MiB that are faulted
 * in or collapsed as one huge page; a miss, with its share of a batch; a look at a chunk. */
static const double call_steps = 5, os_call_steps = 600, fault_steps = 2000,
                    huge_fault_steps = 200000, miss_steps = 60, look_steps = 3;

void held_steps_begin(struct held_steps *s, const struct os_arena *arena)
{
	*s = (struct held_steps){arena->calls, arena->faults, arena->huge_faults, slab_misses(),
	    fit_looks};
}

double held_steps_end(struct held_steps *s, const struct os_arena *arena, uint64_t calls)
{
	*s = (struct held_steps){arena->calls - s->os_calls, arena->faults - s->faults,
	    arena->huge_faults - s->huge_faults, slab_misses() - s->misses, fit_looks - s->looks};
	return call_steps * (double)calls + os_call_steps * (double)s->os_calls +
	    fault_steps * (double)s->faults + huge_fault_steps * (double)s->huge_faults +
	    miss_steps * (double)s->misses + look_steps * (double)s->looks;
}

enum { IDLE_STEPS = 4000 /* at most, in one idle time */ };

/* Where slab purges next, or `ns`. */
static uint64_t next_purge(const struct heap *h, uint64_t ns)
{
	return h->sys == &system_slab && slab_next_look_ns() < ns ? slab_next_look_ns() : ns;
}

static void look(const struct heap *h)
{
	if (h->sys == &system_slab)
		slab_clock_moved();
}

void held_advance(struct held_time *t, struct heap *h, struct os_arena *arena, uint64_t ns)
{
	if (ns <= t->ns)
		return;
	const uint64_t least = (ns - t->ns) / IDLE_STEPS + 1;
	look(h); /* the calls since t->ns may have woken the purger */
	while (t->ns < ns) {
		const uint64_t purge = next_purge(h, ns), next = max_size(purge, t->ns + least);
		t->byte_ns += (double)(os_arena_footprint(arena) + t->tables) *
		    (double)(min_size(next, ns) - t->ns);
		t->ns = min_size(next, ns);
		arena->clock_ns = t->ns;
		look(h);
	}
}

bool accounting_take(struct accounting *a, struct heap *h, const struct os_arena *arena,
    uint64_t payload)
{
	struct part_sums s = {0};

	struct held_walk w = {arena, add_held, &s, &s};
	heap_walk(h, visit, &w);
	memcpy(a->part, s.part, sizeof a->part);
	a->live_count = s.live_count;
	a->part[PART_HEADERS] += heap_own_bytes(h) + s.tables;
	a->part[PART_PADDING] = s.part[PART_PAYLOAD] - payload;
	a->part[PART_PAYLOAD] = payload;
	a->footprint = os_arena_footprint(arena) + s.tables;

	uint64_t sum = 0;
	for (int i = 0; i < PARTS; i++)
		sum += a->part[i];
	return sum == a->footprint && payload <= s.part[PART_PAYLOAD];
}
