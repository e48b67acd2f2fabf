/* record_stack.c - deep call stacks: by frame pointers, or by libunwind and its DWARF tables.
 *
 * Each distinct stack is noted once a tape: frames[i] = count, then the return addresses, innermost
 * first.  A small table by hash finds it again.
 */
#include <dlfcn.h>
#include <string.h>

#include "base/bits.h"
#include "base/proc_maps.h"
#include "observe/record.h"

enum { SKIP_MAX = 8 };

static int (*unwind)(void **frames, int max);

bool stack_find_unwinder(void)
{
	void *const lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	if (lib != NULL)
		unwind = (int (*)(void **, int))(uintptr_t)dlsym(lib, "unw_backtrace");
	return unwind != NULL;
}

/* The mapping that holds our stack: a frame beyond it is none. */
void stack_bounds(struct tape *t)
{
	char text[1024];
	const uintptr_t here = (uintptr_t)text;
	struct proc_maps maps;
	struct map_line line;
	bool found = false;

	if (proc_maps_open(&maps, 0, text, sizeof text) != 0)
		return;
	while (!found && proc_maps_next(&maps, &line))
		found = here >= line.start && here < line.end;
	proc_maps_close(&maps);
	if (found) {
		t->stack_low = line.start;
		t->stack_top = line.end;
	}
}

void stack_prepare(struct tape *t)
{
	t->stack_top = t->stack_low = 0;
	t->stack_looks = 0;
	if (record_config.stacks == TRACE_FP)
		stack_bounds(t);
}

/* A function that keeps no frame pointer leaves any number in that register: what stands where it
 * points to is believed only if it is an address of code. */
static bool is_code(struct tape *t, uintptr_t addr)
{
	uintptr_t *const slot = tape_site(t, (void *)addr);

	if (*slot == addr)
		return true;
	if (!maps_is_code(addr - 1))
		return false;
	*slot = addr;
	return true;
}

static size_t by_frame_pointers(struct tape *t, void **frames)
{
	const uintptr_t *fp = __builtin_frame_address(0);
	size_t n = 0;

	while (n < FRAMES_DEPTH + SKIP_MAX && is_aligned(fp, sizeof *fp) &&
	    (uintptr_t)(fp + 2) <= t->stack_top) {
		const uintptr_t *const up = (const uintptr_t *)fp[0];
		if (!is_code(t, fp[1]))
			break;
		frames[n++] = (void *)fp[1];
		if (up <= fp)
			break;
		fp = up;
	}
	return n;
}

static uint64_t hash_step(uint64_t h, const void *frame)
{
	return (h ^ (uintptr_t)frame) * 0x9e3779b97f4a7c15u;
}

static uint32_t *seen_at(struct tape *t, uint64_t h)
{
	return &t->frames_seen[h >> 53];
}

static uint64_t remember(struct tape *t, void *const *frames, size_t n)
{
	uint64_t h = n;

	for (size_t i = 0; i < n; i++)
		h = hash_step(h, frames[i]);
	uint32_t *const slot = seen_at(t, h);
	if (*slot != 0 && t->frames[*slot] == n &&
	    memcmp(&t->frames[*slot + 1], frames, n * sizeof *frames) == 0)
		return *slot;
	if (t->slot->frames_len + n + 1 > frames_cap(record_config.stacks))
		return 0; /* the tape is flushed first: see stack_capture */
	*slot = (uint32_t)t->slot->frames_len;
	t->frames[*slot] = n;
	memcpy(&t->frames[*slot + 1], frames, n * sizeof *frames);
	t->slot->frames_len += n + 1;
	return *slot;
}

/* By the chosen way, the recorder's own frames left out; at least the caller. */
static size_t deep(struct tape *t, void *caller, void **frames)
{
	size_t n, skip = 0;

	if (record_config.stacks == TRACE_FP) {
		n = by_frame_pointers(t, frames);
	} else {
		const int found = unwind(frames, FRAMES_DEPTH + SKIP_MAX);
		n = found > 0 ? (size_t)found : 0;
	}
	while (skip < n && skip < SKIP_MAX && frames[skip] != caller)
		skip++;
	if (skip == n || frames[skip] != caller) {
		frames[0] = caller; /* nothing could be walked */
		return 1;
	}
	n = min_size(n - skip, FRAMES_DEPTH);
	memmove(frames, frames + skip, n * sizeof *frames);
	return n;
}

/* Room for one more stack.  False: the recording ended. */
static bool make_room(struct tape *t)
{
	if (unlikely(t->slot->frames_len + FRAMES_DEPTH + 1 > frames_cap(record_config.stacks)))
		tape_full(t);
	return t->ready;
}

static uint64_t capture(struct tape *t, void *caller, uintptr_t fp, uintptr_t sp)
{
	void *frames[FRAMES_DEPTH + SKIP_MAX];

	if (!make_room(t))
		return 0;
	t->ready = false; /* the unwinder may allocate */
	const size_t n =
	    record_config.deep ? deep(t, caller, frames) : climb(t, caller, fp, sp, frames);
	t->ready = true;
	if (!record_config.deep && n == 1)
		return (uint64_t)(uintptr_t)caller;
	const uint64_t index = remember(t, frames, n);
	if (record_config.deep || index == 0)
		return index;
	if (n == 2) {
		const uintptr_t above = (uintptr_t)frames[1];
		*tape_known(t, (uintptr_t)caller, above) = (struct known_stack){
		    (uintptr_t)caller, above, index | TRACE_STACK_FRAMES};
	}
	return index | TRACE_STACK_FRAMES;
}

uint64_t stack_of_frames(struct tape *t, void *const *frames, size_t n)
{
	const uint64_t index = make_room(t) ? remember(t, frames, n) : 0;
	return index != 0 ? index | TRACE_STACK_FRAMES : 0;
}

uint64_t stack_capture(struct tape *t, void *caller, uintptr_t fp, uintptr_t sp)
{
	if (t->frames == NULL)
		return record_config.stacks == TRACE_CALLER ? (uint64_t)(uintptr_t)caller : 0;
	const uint64_t python = record_config.python ? python_stack(t) : 0;
	if (python != 0)
		return python;
	const uintptr_t above = record_config.climbs ? climb_known(t, caller, fp, sp) : 0;
	const struct known_stack *const k = tape_known(t, (uintptr_t)caller, above);

	if (likely(above != 0 && k->above == above && k->caller == (uintptr_t)caller))
		return k->stack;
	return capture(t, caller, fp, sp);
}
