/* play.c - every call of a trace on a design, judged; then timed.
 *
 * Judged after each call: the address is a multiple of 16, lies in what the design obtained, and
 * shares no byte with a live object (a bit for each 16 bytes of the simulated memory); what was
 * written into an object is there when it is freed or grows.  Objects longer than FILLED are
 * written at both ends only.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "allocators/design.h"
#include "allocators/subject.h"
#include "base/bits.h"
#include "base/clock.h"
#include "cli/input.h"
#include "cli/read_at.h"
#include "os/os.h"
#include "replay/accounting.h"
#include "replay/ops.h"
#include "score/score.h"
#include "system/heap.h"

#define HEAP_LEN ((size_t)64 << 30)
#define MAP_LEN  ((size_t)64 << 30)

enum { FILLED = 8192, RUNS_LEAST = 3, RUNS_MOST = 200 };

static const double ENOUGH_S = 0.1; /* of timed runs together */

struct played_object {
	unsigned char *p; /* NULL: none, or malloc(0) that gave none */
	uint64_t size;
	uint8_t tag;
};

struct score_play {
	struct os_arena arena;
	struct heap heap;
	struct subject design;
	struct replay_ops ops;
	struct played_object *object;
	uint64_t *taken; /* a bit a granule of the arena */
	struct score_result *r;
	uint64_t payload, at; /* bytes; the op, from 0 */
};

static void *zeroed(size_t len)
{
	void *const p = mmap(NULL, max_size(len, 1), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		lab_die(EXIT_OURS, "no memory to play a trace");
	return p;
}

static void open_ops(struct replay_ops *ops, const char *path)
{
	struct trace_error e;

	if (!replay_ops_build(ops, path, OPS_FOR_MODELS, &e))
		lab_die(EXIT_FAULT, "%s", e.text);
	if (ops->head->peak_payload == 0)
		lab_die(EXIT_FAULT, "nothing is allocated in it");
	if (!replay_ops_whole(ops))
		lab_die(EXIT_OURS, "no address space for its calls");
}

static void open_heap(struct score_play *p)
{
	int error = os_arena_open(&p->arena, 0, HEAP_LEN, MAP_LEN);

	if (error == 0)
		error = held_open(&p->heap, &p->design, p->ops.head->threads, &p->arena);
	if (error != 0)
		lab_die(EXIT_FAULT, "it cannot be opened: %s", strerror(-error));
}

static void close_heap(struct score_play *p)
{
	heap_close(&p->heap);
	os_arena_close(&p->arena);
	memset(p->object, 0, p->ops.head->slots * sizeof *p->object);
}

/* ---- judging --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3), noreturn)) static void wrong(struct score_play *p,
    const char *format, ...)
{
	va_list args;
	const int n = snprintf(p->r->problem, SCORE_TEXT, "call %" PRIu64 ": ",
	    replay_ops_calls(&p->ops, p->at) + 1);

	va_start(args, format);
	vsnprintf(p->r->problem + n, SCORE_TEXT - (size_t)n, format, args);
	va_end(args);
	exit(EXIT_FAULT);
}

/* Set or clear the bits of an object's granules.  False: one was like that already. */
static bool mark(struct score_play *p, const struct played_object *o, bool live)
{
	const size_t first = ptr_diff(o->p, p->arena.base) / 16;
	const size_t last = ptr_diff(o->p + max_size(o->size, 1) - 1, p->arena.base) / 16;
	bool fine = true;

	for (size_t i = first; i <= last; i++) {
		const uint64_t bit = (uint64_t)1 << i % 64;
		fine &= ((p->taken[i / 64] & bit) != 0) != live;
		p->taken[i / 64] ^= ((p->taken[i / 64] & bit) != 0) != live ? bit : 0;
	}
	return fine;
}

static const struct played_object *overlapped(const struct score_play *p,
    const struct played_object *o)
{
	for (size_t i = 0; i < p->ops.head->slots; i++) {
		const struct played_object *const other = &p->object[i];
		if (other->p != NULL && other != o && other->p < o->p + max_size(o->size, 1) &&
		    o->p < other->p + max_size(other->size, 1))
			return other;
	}
	return NULL;
}

static unsigned char pattern(const struct played_object *o, size_t i)
{
	return (unsigned char)(o->tag + i * 13);
}

/* How many bytes at either end are written; what lies between is not. */
static size_t filled(size_t size)
{
	return size <= FILLED ? size : FILLED / 2;
}

static void fill(struct played_object *o, size_t from)
{
	for (size_t i = from; i < filled(o->size); i++)
		o->p[i] = pattern(o, i);
	for (size_t i = max_size(from, o->size - filled(o->size)); i < o->size; i++)
		o->p[i] = pattern(o, i);
}

/* The first `size` bytes of the object are as they were written. */
static void look(struct score_play *p, const struct played_object *o, size_t size, const char *when)
{
	for (size_t i = 0; i < size; i++) {
		if (i == filled(o->size) && o->size > FILLED)
			i = o->size - filled(o->size);
		if (i < size && o->p[i] != pattern(o, i))
			wrong(p, "byte %zu of %" PRIu64 " at %p is not what was written %s", i,
			    o->size,
			    (void *)o->p, when);
	}
}

/* What malloc(n) or realloc gave. */
static void judge(struct score_play *p, struct played_object *o, const char *what)
{
	const uintptr_t at = (uintptr_t)o->p;
	const size_t n = max_size(o->size, 1);

	if (o->p == NULL && o->size != 0)
		wrong(p, "%s of %" PRIu64 " bytes gave NULL", what, o->size);
	if (o->p == NULL)
		return;
	if (at % DMM_ALIGN_MIN != 0)
		wrong(p, "%s gave %p, which is not a multiple of 16", what, (void *)o->p);
	const bool in_heap = o->p >= (unsigned char *)p->arena.base &&
	    n <= ptr_diff(p->arena.brk, p->arena.base) &&
	    ptr_diff(o->p, p->arena.base) <= ptr_diff(p->arena.brk, p->arena.base) - n;
	const bool in_maps = o->p >= (unsigned char *)p->arena.heap_end && n <= MAP_LEN &&
	    o->p <= (unsigned char *)p->arena.end - n;
	if (!in_heap && !in_maps)
		wrong(p, "%s of %" PRIu64 " bytes gave %p, which is outside the heap", what,
		    o->size, (void *)o->p);
	if (!mark(p, o, true)) {
		const struct played_object *const other = overlapped(p, o);
		wrong(p, "%s of %" PRIu64 " bytes gave %p, which overlaps %" PRIu64 " live bytes "
		    "at %p", what, o->size,
		    (void *)o->p, other != NULL ? other->size : 0,
		    other != NULL ? (void *)other->p : NULL);
	}
}

static void give(struct score_play *p, const struct replay_op *op, struct played_object *o)
{
	*o = (struct played_object){.size = op->size, .tag = (uint8_t)(p->at * 31)};
	o->p = op->align_log2 > 4 ? heap_aligned(&p->heap, (size_t)1 << op->align_log2, op->size)
	                          : heap_malloc(&p->heap, op->size);
	judge(p, o, "malloc");
	p->payload += o->size;
	if (o->p == NULL)
		return;
	os_arena_touch(&p->arena, o->p, o->size);
	fill(o, 0);
}

static void take(struct score_play *p, struct played_object *o)
{
	if (o->p != NULL) {
		look(p, o, o->size, "before its free");
		mark(p, o, false);
	}
	p->payload -= o->size;
	heap_free(&p->heap, o->p);
	*o = (struct played_object){0};
}

static void resize(struct score_play *p, const struct replay_op *op, struct played_object *o)
{
	if (o->p == NULL || op->size == 0) {
		take(p, o);
		give(p, op, o);
		return;
	}
	const struct played_object before = *o;
	look(p, o, o->size, "before its realloc");
	mark(p, o, false);
	o->p = heap_realloc(&p->heap, o->p, op->size);
	o->size = op->size;
	judge(p, o, "realloc");
	const struct played_object kept = {o->p, before.size, before.tag};
	look(p, &kept, min_size(before.size, o->size), "before realloc moved or resized it");
	p->payload += o->size - before.size;
	os_arena_touch(&p->arena, o->p, o->size);
	fill(o, before.size > FILLED || o->size > FILLED ? 0 : min_size(before.size, o->size));
}

static void judged_run(struct score_play *p)
{
	open_heap(p);
	p->taken = zeroed((HEAP_LEN + MAP_LEN) / 16 / 8);
	/* as globals are not counted in a lab's own library */
	const size_t own = heap_own_bytes(&p->heap);
	for (p->at = 0; p->at < p->ops.head->count; p->at++) {
		const struct replay_op *const op = &p->ops.op[p->at];
		struct played_object *const o = &p->object[op->slot];
		const unsigned class = trace_class[op->op];
		if ((class & TRACE_IS_ALLOC) != 0)
			give(p, op, o);
		else if ((class & TRACE_IS_FREE) != 0)
			take(p, o);
		else if ((class & TRACE_IS_REALLOC) != 0)
			resize(p, op, o);
		if (p->payload > p->r->peak_payload)
			p->r->peak_payload = p->payload;
		const size_t footprint = os_arena_footprint(&p->arena) - min_size(own,
		    os_arena_footprint(&p->arena));
		if (footprint > p->r->peak_footprint)
			p->r->peak_footprint = footprint;
	}
	munmap(p->taken, (HEAP_LEN + MAP_LEN) / 16 / 8);
	close_heap(p);
}

/* ---- timing ---------------------------------------------------------------------------------- */

static double cpu_now(void)
{
	return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

static void plain_run(struct score_play *p)
{
	for (size_t i = 0; i < p->ops.head->count; i++) {
		const struct replay_op *const op = &p->ops.op[i];
		struct played_object *const o = &p->object[op->slot];
		const unsigned class = trace_class[op->op];
		if ((class & TRACE_IS_ALLOC) != 0) {
			o->p = op->align_log2 > 4 ? heap_aligned(&p->heap,
			    (size_t)1 << op->align_log2, op->size)
			                          : heap_malloc(&p->heap, op->size);
		} else if ((class & TRACE_IS_FREE) != 0) {
			heap_free(&p->heap, o->p);
			o->p = NULL;
		} else if ((class & TRACE_IS_REALLOC) != 0) {
			o->p = heap_realloc(&p->heap, o->p, op->size);
		}
	}
}

static void libc_run(struct score_play *p)
{
	for (size_t i = 0; i < p->ops.head->count; i++) {
		const struct replay_op *const op = &p->ops.op[i];
		struct played_object *const o = &p->object[op->slot];
		const unsigned class = trace_class[op->op];
		if ((class & TRACE_IS_ALLOC) != 0) {
			o->p = op->align_log2 > 4 ? aligned_alloc((size_t)1 << op->align_log2,
			    op->size)
			                          : malloc(op->size);
		} else if ((class & TRACE_IS_FREE) != 0) {
			free(o->p);
			o->p = NULL;
		} else if ((class & TRACE_IS_REALLOC) != 0) {
			o->p = realloc(o->p, op->size);
		}
	}
}

/* The least of some runs: what else the machine does only ever adds. */
static void keep_least(struct score_result *r, double seconds)
{
	if (r->seconds == 0 || seconds < r->seconds)
		r->seconds = seconds;
}

static void timed_runs(struct score_play *p)
{
	double spent = 0;

	for (int i = 0; i < RUNS_MOST && (i < RUNS_LEAST || spent < ENOUGH_S); i++) {
		open_heap(p);
		const double began = cpu_now();
		plain_run(p);
		const double seconds = cpu_now() - began;
		close_heap(p);
		keep_least(p->r, seconds);
		spent += seconds;
	}
}

/* An ELF file that is no design. */
static bool is_plain_malloc(const char *design)
{
	const char *const equals = strchr(design, '=');
	char *const path = equals != NULL ? strndup(equals + 1, strcspn(equals + 1, "?")) : NULL;
	const int fd = path != NULL ? input_open(path) : -1;
	char begin[4] = {0};
	bool plain = false;

	if (fd >= 0) {
		plain = read_at(fd, begin, sizeof begin, 0) &&
		    memcmp(begin, "\177ELF", sizeof begin) == 0 && !design_is_in(path);
		close(fd);
	}
	free(path);
	return plain;
}

static struct subject choose(const char *design)
{
	static struct subject subjects[SUBJECTS_MAX];

	/* Such a design's brk and mmap would be this process's own: the score could not count them
	 * or judge its addresses. */
	if (is_plain_malloc(design))
		lab_die(EXIT_FAULT, "without dmm_system_entry() its heap cannot be put on "
		    "simulated "
		    "memory, where bytes are counted and addresses judged; 'dmm replay T "
		    "--systems=%.40s' measures it", design);

	if (subjects_choose(subjects, design) != 1)
		lab_die(EXIT_USAGE, "'%s': name one design", design);
	return subjects[0];
}

void score_play(struct score_result *r, const char *design, const char *path)
{
	static struct score_play p;

	p = (struct score_play){.r = r, .design = choose(design)};
	open_ops(&p.ops, path);
	p.object = zeroed(p.ops.head->slots * sizeof *p.object);
	judged_run(&p);
	timed_runs(&p);
}

void score_reference(struct score_result *r, const char *path)
{
	static struct score_play p;
	double spent = 0;

	p = (struct score_play){.r = r};
	open_ops(&p.ops, path);
	p.object = zeroed(p.ops.head->slots * sizeof *p.object);
	for (int i = 0; i < RUNS_MOST && (i < RUNS_LEAST || spent < ENOUGH_S); i++) {
		const double began = cpu_now();
		libc_run(&p);
		const double seconds = cpu_now() - began;
		for (size_t k = 0; k < p.ops.head->slots; k++)
			free(p.object[k].p);
		memset(p.object, 0, p.ops.head->slots * sizeof *p.object);
		keep_least(r, seconds);
		spent += seconds;
	}
	r->peak_payload = p.ops.head->calls; /* of the trace */
}
