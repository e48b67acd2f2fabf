/* shadow.c - operations on a heap and on the belief about it. */
#include "torture/shadow.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

enum { WHOLE = 4096, END = 512, PER_PAGE = 64, STRETCHES = 512 };
enum { NO_ERROR = EXDEV /* none that a heap would set */ };

/* bytes; up to here the operating system is asked before a request is refused */
static const size_t SANE = (size_t)1 << 30;

static bool wrong(struct shadow *s, const char *rule, const void *where, uint64_t found,
    uint64_t wanted)
{
	s->why = (struct dmm_fault){rule, (uintptr_t)where, found, wanted};
	return false;
}

/* ---- contents */

/* The stretches of an object that carry the pattern: number k of them, or false after the last.
 * Of a very long one (a GiB of alignment may be usable) not every page is touched. */
static bool stretch(const struct shadow_object *o, size_t k, size_t *from, size_t *to)
{
	const size_t apart = max_size(4096, round_up(o->usable / STRETCHES, 4096));
	const size_t last = o->usable / apart + 1;

	if (o->usable <= WHOLE) {
		*from = 0, *to = o->usable;
		return k == 0;
	}
	*from = k == last ? o->usable - END : k * apart;
	*to = min_size(o->usable, *from + (k == 0 || k == last ? END : PER_PAGE));
	return k <= last;
}

static uint64_t word_at(uint32_t tag, size_t offset)
{
	return (((uint64_t)tag << 32) + offset / 8 + 1) * 0x9e3779b97f4a7c15u;
}

/* Stretches begin anywhere: go by words of eight where they fit, else by bytes. */
static unsigned char byte_at(uint32_t tag, size_t offset)
{
	return (unsigned char)(word_at(tag, offset) >> (offset % 8 * 8));
}

static bool whole_word(size_t at, size_t to)
{
	return at % 8 == 0 && at + 8 <= to;
}

void shadow_paint(const struct shadow_object *o)
{
	size_t from, to;

	for (size_t k = 0; stretch(o, k, &from, &to); k++)
		for (size_t at = from; at < to; at += whole_word(at, to) ? 8 : 1) {
			const uint64_t word = word_at(o->tag, at);
			if (whole_word(at, to))
				memcpy(o->p + at, &word, 8);
			else
				o->p[at] = (char)byte_at(o->tag, at);
		}
}

static size_t unlike_in(uint32_t tag, const char *p, size_t at, size_t to)
{
	while (at < to) {
		const uint64_t word = word_at(tag, at);
		if (whole_word(at, to) && memcmp(p + at, &word, 8) == 0)
			at += 8;
		else if ((unsigned char)p[at] == byte_at(tag, at))
			at++;
		else
			return at;
	}
	return SIZE_MAX;
}

size_t shadow_unlike(const struct shadow_object *o, const char *p, size_t limit)
{
	size_t from, to, at = SIZE_MAX;

	for (size_t k = 0; at == SIZE_MAX && stretch(o, k, &from, &to); k++)
		at = unlike_in(o->tag, p, from, min_size(to, limit));
	return at;
}

static bool contents(struct shadow *s, const struct shadow_object *o, const char *p, size_t limit)
{
	const size_t at = shadow_unlike(o, p, limit);
	if (at == SIZE_MAX)
		return true;
	s->victim = o->name;
	return wrong(s, "S3 contents", p + at, (unsigned char)p[at], byte_at(o->tag, at));
}

bool shadow_contents(struct shadow *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!contents(s, &s->objects[i], s->objects[i].p, SIZE_MAX))
			return false;
	return true;
}

/* ---- the sorted array */

bool shadow_open(struct shadow *s, struct heap *heap, size_t cap)
{
	void *const p = mmap(NULL, cap * sizeof *s->objects, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return false;
	*s = (struct shadow){.heap = heap, .objects = p, .cap = cap};
	return true;
}

void shadow_close(struct shadow *s)
{
	munmap(s->objects, s->cap * sizeof *s->objects);
	*s = (struct shadow){0};
}

/* The first object at or behind p. */
size_t shadow_place(const struct shadow *s, const char *p)
{
	size_t low = 0, high = s->count;
	while (low < high) {
		const size_t mid = (low + high) / 2;
		if (s->objects[mid].p < p)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* An empty object still needs an address of its own. */
static size_t span(const struct shadow_object *o)
{
	return max_size(o->usable, 1);
}

bool shadow_put(struct shadow *s, struct shadow_object o)
{
	const size_t i = shadow_place(s, o.p);
	struct shadow_object *const at = &s->objects[i];

	const struct shadow_object *const other =
	    i > 0 && at[-1].p + span(&at[-1]) > o.p ? &at[-1]
	    : i < s->count && o.p + span(&o) > at->p ? at : NULL;
	if (other != NULL) {
		s->victim = other->name;
		s->culprit = o.name;
		return wrong(s, "S2 disjoint", o.p, (uintptr_t)other->p, other->usable);
	}
	memmove(at + 1, at, (s->count - i) * sizeof *at);
	*at = o;
	s->count++;
	s->payload += o.n;
	s->most = max_size(s->most, s->payload + s->count * 4096);
	return true;
}

struct shadow_object shadow_take(struct shadow *s, size_t i)
{
	const struct shadow_object o = s->objects[i];
	memmove(&s->objects[i], &s->objects[i + 1], (s->count - i - 1) * sizeof o);
	s->count--;
	s->payload -= o.n;
	return o;
}

/* ---- operations */

/* Begin an operation: write it down. */
static void begin(struct shadow *s, enum script_op op, uint32_t name, size_t n, size_t extra)
{
	s->last = NULL;
	s->refusals = s->os != NULL ? s->os->refused : 0;
	if (s->script != NULL)
		script_add(s->script, (struct script_step){.op = op, .name = name, .n = n,
		    .extra = (uint32_t)min_size(extra, UINT32_MAX),
		    .refuse = s->os != NULL && s->os->fail_at != 0});
	errno = NO_ERROR;
}

/* NULL: may the heap say so? */
static bool refused(struct shadow *s, size_t n, int error)
{
	s->refused++;
	if (n == 0 && (s->heap->sys->traits & DMM_ZERO_IS_NULL))
		return true;
	if (error != ENOMEM)
		return wrong(s, "S5 errno", NULL, (uint64_t)error, ENOMEM);
	if (n <= SANE && s->os != NULL && s->os->refused == s->refusals)
		return wrong(s, "S10 memory", NULL, 0, n);
	return true;
}

/* The heap gave p for n bytes: believe it if it can be believed, and write all over it. */
static bool given(struct shadow *s, char *p, size_t n, size_t align, uint32_t name)
{
	s->culprit = name;
	s->last = p;
	const size_t least = max_size(align, DMM_ALIGN_MIN);
	if (!is_aligned(p, least))
		return wrong(s, "S1 aligned", p, (uintptr_t)p & (least - 1), 0);
	struct shadow_object o = {.p = p, .n = n, .usable = heap_usable(s->heap, p),
	    .tag = ++s->tag, .align = (uint32_t)align, .name = name};
	if (o.usable < n)
		return wrong(s, "S6 usable", p, o.usable, n);
	if (s->asked_only)
		o.usable = n;
	if (!shadow_put(s, o))
		return false;
	shadow_paint(&o);
	s->culprit = 0;
	return true;
}

static bool allocate(struct shadow *s, size_t align, size_t n, uint32_t name)
{
	char *const p = align == 0 ? heap_malloc(s->heap, n) : heap_aligned(s->heap, align, n);
	s->culprit = name;
	return p == NULL ? refused(s, n, errno) : given(s, p, n, max_size(align, 1), name);
}

bool shadow_aligned(struct shadow *s, size_t align, size_t n)
{
	if (s->count == s->cap)
		return true;
	begin(s, SCRIPT_ALIGNED, ++s->names, n, log2_floor(max_size(align, 1)));
	return allocate(s, align, n, s->names);
}

bool shadow_malloc(struct shadow *s, size_t n)
{
	if (s->count == s->cap)
		return true;
	begin(s, SCRIPT_MALLOC, ++s->names, n, 0);
	return allocate(s, 0, n, s->names);
}

bool shadow_calloc(struct shadow *s, size_t count, size_t n)
{
	if (s->count == s->cap)
		return true;
	begin(s, SCRIPT_CALLOC, ++s->names, n, count);
	s->culprit = s->names;
	const char *const p = heap_calloc(s->heap, count, n);
	if (p == NULL)
		return refused(s, count * n, errno);
	for (size_t i = 0; i < count * n; i++)
		if (p[i] != 0)
			return wrong(s, "S4 zeroed", p + i, (unsigned char)p[i], 0);
	return given(s, (char *)p, count * n, 1, s->names);
}

/* Before the heap touches an object again: is all of it still as we left it? */
static bool untouched(struct shadow *s, const struct shadow_object *o)
{
	const size_t usable = heap_usable(s->heap, o->p);
	s->victim = o->name;
	if (usable != o->usable && !s->asked_only)
		return wrong(s, "S6 usable", o->p, usable, o->usable);
	return contents(s, o, o->p, SIZE_MAX);
}

bool shadow_realloc(struct shadow *s, size_t i, size_t n)
{
	const struct shadow_object old = s->objects[i];

	if (!untouched(s, &old))
		return false;
	begin(s, SCRIPT_REALLOC, old.name, n, 0);
	s->culprit = old.name;
	char *const p = heap_realloc(s->heap, old.p, n);
	if (p == NULL)
		return refused(s, n, errno) && untouched(s, &old);
	s->last = p;
	shadow_take(s, i);
	if (!contents(s, &old, p, min_size(old.n, n)))
		return false;
	return given(s, p, n, 1, old.name);
}

bool shadow_free(struct shadow *s, size_t i)
{
	if (!untouched(s, &s->objects[i]))
		return false;
	const struct shadow_object old = shadow_take(s, i);
	begin(s, SCRIPT_FREE, old.name, 0, 0);
	heap_free(s->heap, old.p);
	s->culprit = old.name;
	return errno == NO_ERROR || wrong(s, "S5 errno", old.p, (uint64_t)errno, NO_ERROR);
}

bool shadow_free_all(struct shadow *s)
{
	while (s->count > 0)
		if (!shadow_free(s, s->count - 1))
			return false;
	return true;
}

/* ---- the walk */

struct walking {
	struct shadow *shadow;
	uintptr_t end; /* of the piece before */
	size_t sum, chunks;
	size_t next; /* the first object that no piece has covered yet */
	bool frees;
};

static int live_piece(struct walking *w, const struct dmm_piece *piece)
{
	struct shadow *const s = w->shadow;
	const uintptr_t end = piece->addr + piece->len;

	if (w->next == s->count || (uintptr_t)s->objects[w->next].p >= end) /* nobody's */
		return w->frees ? !wrong(s, "S8 live", (void *)piece->addr, piece->len, 0) : 0;
	const struct shadow_object *const o = &s->objects[w->next++];
	if ((uintptr_t)o->p < piece->addr || (uintptr_t)o->p + o->usable > end)
		return !wrong(s, "S8 live", o->p, piece->addr, piece->len);
	if (w->next < s->count && (uintptr_t)s->objects[w->next].p < end) /* two in one */
		return !wrong(s, "S8 live", s->objects[w->next].p, piece->addr, piece->len);
	return 0;
}

static int step(void *arg, const struct dmm_piece *piece)
{
	struct walking *const w = arg;
	const void *const at = (const void *)piece->addr;

	if (piece->addr < w->end || piece->len == 0 || piece->what == NULL)
		return !wrong(w->shadow, "S7 partition", at, piece->addr, w->end);
	w->end = piece->addr + piece->len;
	w->sum += piece->len;
	w->chunks += piece->kind == DMM_FREE || piece->kind == DMM_LIVE;
	return piece->kind == DMM_LIVE ? live_piece(w, piece) : 0;
}

bool shadow_check(struct shadow *s, size_t owned)
{
	struct walking w = {.shadow = s, .frees = (s->heap->sys->traits & DMM_FREES) != 0};

	s->why = (struct dmm_fault){.rule = "(the checker names no rule)"};
	if (!heap_check(s->heap, &s->why))
		return false;
	if (s->heap->sys->walk == NULL) {
		s->chunks = s->count;
		s->why = (struct dmm_fault){0};
		return true;
	}
	if (heap_walk(s->heap, step, &w) != 0)
		return false;
	s->chunks = w.chunks;
	if (w.next != s->count)
		return wrong(s, "S8 live", s->objects[w.next].p, 0, s->objects[w.next].n);
	if (owned != SIZE_MAX && w.sum + heap_own_bytes(s->heap) != owned)
		return wrong(s, "S7 partition", NULL, w.sum, owned - heap_own_bytes(s->heap));
	s->why = (struct dmm_fault){0};
	return true;
}
