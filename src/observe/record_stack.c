/* record_stack.c - deep call stacks: by frame pointers, or by libunwind and its DWARF tables.
 *
 * Each distinct stack is noted once a tape: frames[i] = count, then the return addresses, innermost
 * first.  A small table by hash finds it again.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
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

/* The end of the mapping that holds our stack: a frame pointer beyond it is none. */
static uintptr_t find_stack_top(void)
{
	char text[4096];
	uint64_t bounds[2] = {0};
	const uintptr_t here = (uintptr_t)text;
	unsigned which = 0;
	bool skip = false;
	ssize_t got;
	const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && (got = read(fd, text, sizeof text)) > 0)
		for (ssize_t i = 0; i < got; i++) {
			const char c = text[i];
			if (c == '\n') {
				bounds[0] = bounds[1] = which = 0;
				skip = false;
			} else if (skip) {
				continue;
			} else if (c == '-') {
				which = 1;
			} else if (c == ' ') {
				skip = true;
				if (here >= bounds[0] && here < bounds[1]) {
					close(fd);
					return bounds[1];
				}
			} else {
				bounds[which] = bounds[which] << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
			}
		}
	if (fd >= 0)
		close(fd);
	return 0;
}

void stack_prepare(struct tape *t)
{
	if (record_config.stacks == TRACE_FP)
		t->stack_top = find_stack_top();
}

static size_t by_frame_pointers(const struct tape *t, void **frames)
{
	const uintptr_t *fp = __builtin_frame_address(0);
	size_t n = 0;

	while (n < FRAMES_DEPTH + SKIP_MAX && is_aligned(fp, sizeof *fp) &&
	    (uintptr_t)(fp + 2) <= t->stack_top) {
		const uintptr_t *const up = (const uintptr_t *)fp[0];
		frames[n++] = (void *)fp[1];
		if (up <= fp)
			break;
		fp = up;
	}
	return n;
}

static uint64_t remember(struct tape *t, void *const *frames, size_t n)
{
	uint64_t h = n;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uintptr_t)frames[i]) * 0x9e3779b97f4a7c15u;
	uint32_t *const slot = &t->frames_seen[h >> 54];
	if (*slot != 0 && t->frames[*slot] == n &&
	    memcmp(&t->frames[*slot + 1], frames, n * sizeof *frames) == 0)
		return *slot;
	if (t->slot->frames_len + n + 1 > FRAMES_CAP)
		return 0; /* the tape is flushed first: see stack_capture */
	*slot = (uint32_t)t->slot->frames_len;
	t->frames[*slot] = n;
	memcpy(&t->frames[*slot + 1], frames, n * sizeof *frames);
	t->slot->frames_len += n + 1;
	return *slot;
}

uint64_t stack_capture(struct tape *t, void *caller)
{
	void *frames[FRAMES_DEPTH + SKIP_MAX];
	size_t n, skip = 0;

	if (t->frames == NULL)
		return 0;
	if (t->slot->frames_len + FRAMES_DEPTH + 1 > FRAMES_CAP)
		tape_full(t);
	if (!t->ready) /* the recording ended there */
		return 0;
	t->ready = false; /* the unwinder may allocate */
	n = record_config.stacks == TRACE_FP ? by_frame_pointers(t, frames)
	                                     : (size_t)max_size(0, (size_t)unwind(frames, FRAMES_DEPTH + SKIP_MAX));
	t->ready = true;
	while (skip < n && skip < SKIP_MAX && frames[skip] != caller)
		skip++; /* the recorder's own */
	if (skip == n || frames[skip] != caller) {
		frames[0] = caller; /* nothing could be walked */
		skip = 0;
		n = 1;
	}
	return remember(t, frames + skip, min_size(n - skip, FRAMES_DEPTH));
}
