/* record_python.c - which Python functions run in this thread.
 *
 *   thread state --> frames --> (code object, instruction) --> site: number of function and line
 *
 * A site is found by the address of its instruction.  CPython uses the memory of a code object
 * again, so a site also holds what its code object named (file, function, table of lines), and a
 * mixture of the ends of their contents.  Where one differs, the name is read anew.
 *
 * Sites are found without a lock: `changes` of a site is odd while it is written, and a reader that
 * sees it change takes the site for unknown.  A table that is too small is copied into a larger one
 * and stays mapped, since others may still read it.
 *
 * The thread that holds the interpreter's lock (3.11: of the process; 3.12 on: of its interpreter)
 * owns what is read here: nobody else frees a frame, or the code of one, meanwhile.  A handler of a
 * signal may interrupt the interpreter while it links a frame: so no pointer is followed to a page
 * of which the kernel has not said that it is mapped.
 */
#include "observe/record_python.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/crash.h"
#include "observe/record.h"
#include "observe/script_names.h"
#include "observe/xxh64.h"

#define WEAK __attribute__((weak))

/* Exported by the interpreter. */
extern char PyCode_Type WEAK;
extern void *PyGILState_GetThisThreadState(void) WEAK;
extern void *PyInterpreterState_Head(void) WEAK;
extern void *PyInterpreterState_Main(void) WEAK;

enum { SITES_FIRST = 4096, SITES_MAX = 1 << 18, HEAD_MAX = 256, LOOKS_MAX = 200,
	LINES_PART = 512 };

/* Hash the file's name, the function's and the table of lines. */
struct contents {
	uint32_t file, name, lines; /* characters, bytes */
	uint32_t ends;              /* mixed */
};

struct python_site {
	_Atomic uint32_t changes;
	uint32_t number; /* and flags: python_name() */
	uintptr_t instruction, code;
	struct python_code named;
	struct contents contents; /* unless PYTHON_NAMELESS */
} __attribute__((aligned(64)));
static_assert(sizeof(struct python_site) == 64, "a line of the cache");

struct site_table {
	size_t mask;
	struct python_site at[];
};

static struct {
	struct lock lock; /* of all that is below, and of the names */
	struct site_table *_Atomic table;
	size_t count;
	_Atomic bool full; /* no further site can be named */
} python;

static uintptr_t word_at(uintptr_t at)
{
	return *(const uintptr_t *)at;
}

/* ---- the thread's state ---------------------------------------------------------------------- */

/* `state` is the interpreter's, or (3.12 on) this thread's.  Is it this thread's? */
static bool is_own_state(struct python_thread *p, uintptr_t state)
{
	const struct python_layout *const l = python_known.layout;
	const int saved = errno;
	uintptr_t owner = 0;

	if (p->self == 0)
		p->self = (uintptr_t)pthread_self();
	if (l->is_shared && state != (uintptr_t)PyGILState_GetThisThreadState()) {
		/* of a second interpreter, or of another thread: that may be freed meanwhile */
		if (PyInterpreterState_Head() == PyInterpreterState_Main() ||
		    !python_peek(state + l->thread_id, &owner, sizeof owner) || owner != p->self) {
			errno = saved;
			return false;
		}
	}
	p->state = state;
	return true;
}

/* The thread state of the calling thread, if that holds the interpreter's lock; else 0. */
static uintptr_t own_state(struct tape *t)
{
	struct python_thread *const p = &t->python;
	const struct python_layout *const l = python_known.layout;
	uintptr_t state;

	if (likely(l->is_shared)) {
		state = (uintptr_t)python_known.current();
	} else {
		t->ready = false; /* the loader may get memory for the thread's variables */
		state = (uintptr_t)python_known.current();
		t->ready = true;
	}
	if (state == 0 || (unlikely(state != p->state) && !is_own_state(p, state)))
		return 0;
	/* it may be another thread's by now, at the address of one that was this thread's */
	return likely(word_at(state + l->thread_id) == p->self) ? state : 0;
}

/* ---- sites ----------------------------------------------------------------------------------- */

static inline uint64_t mix(uint64_t h, uint64_t x)
{
	return (h ^ x) * 0x9e3779b97f4a7c15u;
}

/* Where the last eight bytes of an object are, of `len` after its head: before them is the head. */
static inline uint64_t end_of(uintptr_t object, size_t head, uint32_t len)
{
	uint64_t end;

	memcpy(&end, (const void *)(object + head + len - sizeof end), sizeof end);
	return end;
}

static inline uint32_t len_of(uintptr_t object)
{
	return (uint32_t)word_at(object + PYTHON_LEN);
}

/* Code made at run time is compiled again and again, and differs anywhere in the table of lines.  A
 * long table is hashed at both ends. */
static uint64_t hash_of_lines(uintptr_t lines, uint32_t len)
{
	const char *const bytes = (const char *)lines + PYTHON_BYTES_AT;
	const size_t part = min_size(len, LINES_PART);

	return mix(xxh64(bytes, part, 0), xxh64(bytes + len - part, part, 1));
}

/* Of wide characters, hash some in the middle.  The table of lines counts from the code's first. */
static inline uint32_t ends_of(uintptr_t code, const struct python_code *c,
    const struct contents *is, bool made)
{
	const size_t head = python_known.layout->ascii_len;
	const uint32_t first = *(const uint32_t *)(code + python_known.layout->first_line);
	const uint64_t names =
	    mix(end_of(c->file, head, is->file), end_of(c->name, head, is->name));
	const uint64_t lines = unlikely(made)
	    ? hash_of_lines(c->lines, is->lines)
	    : mix(end_of(c->lines, PYTHON_BYTES_AT, is->lines),
	          end_of(c->lines, PYTHON_BYTES_AT, is->lines / 2));

	return (uint32_t)(mix(names, lines + first) >> 32);
}

/* Are the objects as they were?  While they are as long, their ends are in them. */
static inline bool are_same(uintptr_t code, const struct python_code *c,
    const struct contents *were, bool made)
{
	return len_of(c->file) == were->file && len_of(c->name) == were->name &&
	       len_of(c->lines) == were->lines && ends_of(code, c, were, made) == were->ends;
}

static bool read_len(struct python_thread *p, uintptr_t object, size_t head, uint32_t *len)
{
	uint64_t all;

	if (!python_copy(p, object + PYTHON_LEN, &all, sizeof all) || all > UINT32_MAX / 8)
		return false;
	*len = (uint32_t)all;
	return is_mapped(p, object + head + *len - 8, 8);
}

/* False: they cannot be read. */
static bool read_contents(struct python_thread *p, uintptr_t code, const struct python_code *c,
    struct contents *is, bool made)
{
	const size_t head = python_known.layout->ascii_len;

	if (!read_len(p, c->file, head, &is->file) || !read_len(p, c->name, head, &is->name) ||
	    !read_len(p, c->lines, PYTHON_BYTES_AT, &is->lines))
		return false;
	is->ends = ends_of(code, c, is, made);
	return true;
}

static size_t hash_of(uintptr_t instruction)
{
	const uint64_t h = mix(0, instruction);
	return h >> 32 ^ h >> 44;
}

static struct python_code named_by(const unsigned char *code)
{
	struct python_code c;

	memcpy(&c.file, code + PYTHON_FILE, sizeof c.file);
	memcpy(&c.name, code + PYTHON_NAME, sizeof c.name);
	memcpy(&c.lines, code + PYTHON_LINES, sizeof c.lines);
	return c;
}

/* Does a site hold what its code object names? */
static inline bool is_still(struct python_thread *p, const struct python_site *s,
    const struct python_place *at)
{
	if (s->code != at->code || !is_mapped(p, at->code + PYTHON_CODE_AT, PYTHON_CODE_LEN))
		return false;
	const struct python_code named = named_by((const unsigned char *)at->code);
	return named.file == s->named.file && named.name == s->named.name &&
	       named.lines == s->named.lines &&
	       ((s->number & PYTHON_NAMELESS) != 0 ||
	           are_same(at->code, &named, &s->contents, (s->number & PYTHON_MADE) != 0));
}

/* True: no thread wrote the site since its `changes` were read. Check this after all other
 * reads. */
static inline bool is_settled(const struct python_site *s, uint32_t changes)
{
	atomic_thread_fence(memory_order_acquire);
	return (changes & 1) == 0 &&
	       atomic_load_explicit(&s->changes, memory_order_relaxed) == changes;
}

/* The site of a place, and its number and flags; 0: it is not known, or not any more. */
static inline uint32_t site_of(struct python_thread *p, const struct python_place *at,
    struct python_seen *seen)
{
	const struct site_table *const table =
	    atomic_load_explicit(&python.table, memory_order_acquire);

	for (size_t i = hash_of(at->instruction); table != NULL; i++) {
		const struct python_site *const s = &table->at[i & table->mask];
		const uint32_t changes = atomic_load_explicit(&s->changes, memory_order_acquire);
		if (changes == 0)
			return 0;
		if (s->instruction != at->instruction)
			continue;
		const uint32_t number = is_still(p, s, at) ? s->number : 0;
		if (number == 0 || !is_settled(s, changes))
			return 0;
		seen->site = s;
		seen->changes = changes;
		return number;
	}
	return 0;
}

static struct python_site *slot_of(struct site_table *table, uintptr_t instruction)
{
	size_t i = hash_of(instruction);

	while (table->at[i & table->mask].changes != 0 &&
	    table->at[i & table->mask].instruction != instruction)
		i++;
	return &table->at[i & table->mask];
}

/* python.lock is held.  False: no memory, or too many sites. */
static bool make_room(void)
{
	struct site_table *const old = python.table;
	const size_t size = old == NULL ? SITES_FIRST : 2 * (old->mask + 1);

	if (old != NULL && 2 * (python.count + 1) <= old->mask)
		return true;
	if (size > SITES_MAX)
		return false;
	struct site_table *const table = mmap(NULL,
	    sizeof *table + size * sizeof(struct python_site),
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED)
		return false;
	table->mask = size - 1;
	for (size_t i = 0; old != NULL && i <= old->mask; i++)
		if (old->at[i].changes != 0)
			*slot_of(table, old->at[i].instruction) = old->at[i];
	atomic_store_explicit(&python.table, table, memory_order_release);
	return true;
}

static void store(struct python_site *s, const struct python_site *is)
{
	const uint32_t changes = atomic_load_explicit(&s->changes, memory_order_relaxed);

	python.count += changes == 0;
	atomic_store_explicit(&s->changes, changes + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	s->number = is->number;
	s->instruction = is->instruction;
	s->code = is->code;
	s->named = is->named;
	s->contents = is->contents;
	atomic_store_explicit(&s->changes, changes + 2, memory_order_release);
}

/* A site that is new, or whose code object is.  Its number and flags; 0: there is no such code. */
static uint32_t new_site(struct python_thread *p, const struct python_place *at)
{
	const struct python_layout *const l = python_known.layout;
	unsigned char head[HEAD_MAX];
	uintptr_t type;

	if (!python_copy(p, at->code, head, l->instructions))
		return 0;
	memcpy(&type, head + PYTHON_TYPE, sizeof type);
	if (type != (uintptr_t)&PyCode_Type)
		return 0;
	struct python_site is = {.instruction = at->instruction, .code = at->code,
	    .named = named_by(head), .number = make_room() ? python_name(p, l, at, head) : 0};
	if (is.number == 0)
		atomic_store(&python.full, true);
	const bool made = (is.number & PYTHON_MADE) != 0;
	if (is.number != 0 && ((is.number & PYTHON_NAMELESS) != 0 ||
	                          read_contents(p, is.code, &is.named, &is.contents, made)))
		store(slot_of(python.table, at->instruction), &is);
	return is.number;
}

static uint32_t find_site(struct tape *t, const struct python_place *at)
{
	const int saved = errno;
	struct signals mask;

	signals_block(&mask);
	t->ready = false;
	lock_take(&python.lock);
	const uint32_t number = new_site(&t->python, at);
	lock_give(&python.lock);
	t->ready = true;
	signals_restore(&mask);
	errno = saved;
	return number;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static inline bool is_frame(struct python_thread *p, uintptr_t frame)
{
	return frame % sizeof(uintptr_t) == 0 && is_mapped(p, frame, PYTHON_FRAME_LEN);
}

static uintptr_t innermost(struct python_thread *p, uintptr_t state)
{
	const struct python_layout *const l = python_known.layout;
	uintptr_t holder = state;

	if (l->cframe != 0) {
		holder = word_at(state + l->cframe);
		if (holder % sizeof holder != 0 ||
		    !is_page_mapped(p, (holder + l->current_frame) / PYTHON_PAGE))
			return 0;
	}
	return word_at(holder + l->current_frame);
}

static inline struct python_place place_in(uintptr_t frame)
{
	return (struct python_place){word_at(frame + python_known.layout->code),
	    word_at(frame + python_known.layout->instruction)};
}

static inline bool is_as_seen(const struct python_seen *seen, uintptr_t frame)
{
	const struct python_place at = place_in(frame);

	return at.instruction == seen->at.instruction && at.code == seen->at.code;
}

/* Is the code that the frame runs what it was?  Its memory may hold other code by now. */
static inline bool is_same_code(struct python_thread *p, const struct python_seen *seen)
{
	return seen->site == NULL || (seen->number & PYTHON_KEPT) != 0 ||
	       (is_still(p, seen->site, &seen->at) && is_settled(seen->site, seen->changes));
}

/* The number of the function and line that a frame runs, and flags; 0: unknown. */
static uint32_t running(struct tape *t, uintptr_t frame, struct python_seen *seen)
{
	struct python_thread *const p = &t->python;
	const struct python_layout *const l = python_known.layout;
	struct python_seen *const memo = &p->memo[frame / 16 % PYTHON_MEMOS];

	if (memo->frame == frame && is_as_seen(memo, frame) && is_same_code(p, memo)) {
		*seen = *memo;
		return seen->number;
	}
	if (memo->frame != frame && !is_frame(p, frame))
		return 0;
	*seen = (struct python_seen){frame, place_in(frame), NULL, 0, 0};
	if (l->entry_is_empty && *(const uint8_t *)(frame + l->entry) == l->entry_is)
		return PYTHON_NAMELESS;
	uint32_t number = site_of(p, &seen->at, seen);
	if (unlikely(number == 0) && !python.full)
		number = find_site(t, &seen->at);
	seen->number = number;
	if ((number & PYTHON_LIBRARY) != 0 && (seen->site != NULL || (number & PYTHON_KEPT) != 0))
		*memo = *seen;
	return number;
}

/* walk: its frames; none if one of them is new, or they do not lead to the program's own. */
static size_t frames_of(struct tape *t, uintptr_t frame, void *frames[PYTHON_DEPTH],
    struct python_walk *walk)
{
	bool all_seen = true;
	size_t n = 0;

	for (size_t looks = 0; frame != 0 && looks < LOOKS_MAX && n < PYTHON_DEPTH; looks++) {
		struct python_seen seen;
		const uint32_t number = running(t, frame, &seen);
		if (number == 0)
			return n;
		all_seen = all_seen && looks < PYTHON_WALK &&
		    (seen.site != NULL || (number & (PYTHON_NAMELESS | PYTHON_KEPT)) != 0);
		if (all_seen)
			walk->frame[looks] = seen;
		if ((number & PYTHON_NAMELESS) == 0 && (n == 0 || (number & PYTHON_IMPORT) == 0))
			frames[n++] = (void *)(TRACE_SCRIPT + (number & PYTHON_NUMBER));
		if ((number & (PYTHON_NAMELESS | PYTHON_LIBRARY)) == 0) {
			walk->count = all_seen ? (uint32_t)looks + 1 : 0;
			return n;
		}
		frame = word_at(frame + python_known.layout->previous);
	}
	return n;
}

/* Is the stack above `frame` the one of the walk? */
static inline bool is_same_walk(struct tape *t, const struct python_walk *w, uintptr_t frame)
{
	if (w->count == 0 || w->rewinds != t->rewinds)
		return false;
	for (uint32_t i = 0; i < w->count; i++) {
		if (frame != w->frame[i].frame || !is_as_seen(&w->frame[i], frame))
			return false;
		frame = word_at(frame + python_known.layout->previous);
	}
	for (uint32_t i = 0; i < w->count; i++)
		if (!is_same_code(&t->python, &w->frame[i]))
			return false;
	return true;
}

/* As python_stack(), and the walk remembered. */
static uint64_t walk_up(struct tape *t, uintptr_t frame, struct python_walk *w)
{
	void *frames[PYTHON_DEPTH];

	w->count = 0;
	const size_t n = frames_of(t, frame, frames, w);
	w->stack = n > 1 ? stack_of_frames(t, frames, n) : 0;
	if (w->stack == 0 && n != 0) /* n == 1, or no room: then at least who called */
		w->stack = (uint64_t)(uintptr_t)frames[0];
	w->rewinds = t->rewinds;
	return w->stack;
}

uint64_t python_stack(struct tape *t)
{
	struct python_thread *const p = &t->python;
	const uintptr_t state = own_state(t);
	const uintptr_t frame = state != 0 ? innermost(p, state) : 0;

	if (frame == 0 || !is_frame(p, frame))
		return 0;
	const uintptr_t running = word_at(frame + python_known.layout->instruction);
	struct python_walk *const w = &p->walk[(running >> 1 ^ running >> 5) % PYTHON_WALKS];
	return likely(is_same_walk(t, w, frame)) ? w->stack : walk_up(t, frame, w);
}

void python_flush(void)
{
	if (!record_config.python)
		return;
	lock_take(&python.lock);
	python_names_flush();
	lock_give(&python.lock);
}

void python_after_fork(void)
{
	lock_reset(&python.lock);
	/* the tables stay mapped: a call that was interrupted may go on reading one */
	atomic_store(&python.table, NULL);
	python.count = 0;
	python.full = false;
	python_memory_after_fork();
	python_names_after_fork();
}
